"""Pickles read as data: arrays, numbers, strings and plain containers, never code.

A pickle is a list of instructions, some of which call functions by name. Here a pickle may name
only the functions that make numpy arrays and Python containers, and each is replaced by a function
of this module that makes such a value and nothing else. A pickle may set the state of arrays and
their types only.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Sized
from typing import Any, BinaryIO, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError

# numbers, strings and objects; no records and no dates
DTYPE = re.compile(r"[<>|=]?[biufcSUO?][0-9]*")
NDARRAY = "numpy.ndarray"  # stands for the class, which is never called, only passed as an argument
# Calls may copy COPIES bytes for each byte read, and FREE bytes in any case. Without a limit, a
# small pickle could fill the memory.
COPIES = 8
FREE = 2**26
ENTRY = 64  # bytes of an entry of a container, roughly


def load_pickle(
    data: bytes | BinaryIO, *, encoding: str = "ASCII", name: str = "the pickle"
) -> Any:
    """Return the content of a pickle.

    Args:
        data: the bytes of the pickle, or a stream positioned at its beginning.
        encoding: of strings written by Python 2; "latin1" if it wrote arrays, "bytes" to leave the
            strings as bytes.
        name: what messages call the pickle.

    Raises:
        DataError: the pickle is damaged, copies its content too often, or asks for anything but
            arrays, numbers, strings and plain containers; the message says for what.
    """
    if isinstance(data, bytes):
        data = io.BytesIO(data)
    try:
        return _Reader(data, encoding, name).load()
    except DataError:
        raise
    except Exception as error:  # instructions in the wrong order raise anything
        found = f"{type(error).__name__}: {error}".rstrip(": ")
        raise DataError(f"{name} is not a pickle, or it is damaged ({found}).") from error


class _Counted:
    """A stream that counts the bytes read, and raises `EOFError` if it ends early."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self.count = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise EOFError("it is cut off")
        self.count += size
        return data

    def readline(self) -> bytes:
        line = self._stream.readline()
        self.count += len(line)
        return line


class _Reader(pickle._Unpickler):
    """An unpickler that calls only the functions of a closed list.

    It extends Python's unpickler that is written in Python. The one written in C fills the memory
    if the pickle gives a large memo number, and it cannot be made to check the states that it sets.
    """

    stack: list[Any]
    read: Callable[[int], bytes]

    def __init__(self, stream: BinaryIO, encoding: str, name: str):
        self._counted = _Counted(stream)
        super().__init__(self._counted, encoding=encoding)
        self._name = name
        self._copied = 0
        self._known: dict[str, Any] = {
            "numpy.ndarray": NDARRAY,
            "numpy.dtype": self._dtype,
            "numpy.core.multiarray._reconstruct": self._empty,
            "numpy.core.multiarray.scalar": self._scalar,
            "numpy.core.numeric._frombuffer": self._array,
            "_codecs.encode": self._encoded,
            "collections.OrderedDict": self._copying(OrderedDict),
            "builtins.bytearray": self._bytearray,
            "builtins.bytes": lambda: b"",  # named for empty bytes only
            "builtins.set": self._copying(set),
            "builtins.frozenset": self._copying(frozenset),
            "builtins.complex": complex,
        }

    def find_class(self, module: str, name: str) -> Any:
        module_here = module.replace("__builtin__", "builtins").replace("numpy._core", "numpy.core")
        wanted = f"{module_here}.{name}"
        if wanted not in self._known:
            self._refuse(f"asks for {module}.{name}")
        return self._known[wanted]

    def persistent_load(self, pid: Any) -> NoReturn:  # noqa: ARG002
        self._refuse("refers to something outside of it")

    def get_extension(self, code: int) -> NoReturn:
        self._refuse(f"asks for the extension {code}")

    def _refuse(self, what: str) -> NoReturn:
        raise DataError(
            f"{self._name} {what}; only arrays, numbers, strings and plain containers are read."
        )

    # --- instructions

    def load_build(self) -> None:
        """Set the state of an array or of its type, after checking it."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, np.dtype):
            self._set_dtype(target, state)
        elif type(target) is np.ndarray and target.shape == (0,):
            self._set_array(target, state)
        else:
            self._refuse(f"sets the state of a {type(target).__name__}")

    def _set_dtype(self, target: np.dtype[Any], state: Any) -> None:
        _, order, *inner = state[:5]
        if inner != [None, None, None]:
            self._refuse("contains records")
        # In place, because the pickle may refer to this type again. Only the byte order is taken
        # from the pickle, because numpy would believe any state.
        checked = target.newbyteorder(_text(order)).__reduce__()[2]  # type: ignore[arg-type]
        target.__setstate__(checked)  # type: ignore[attr-defined]

    def _set_array(self, target: NDArray[Any], state: Any) -> None:
        _, shape, dtype, _, content = state
        size = math.prod(shape)
        if not dtype.hasobject:
            size *= dtype.itemsize
        # checked here, because numpy allocates the memory before it compares
        if min(shape, default=0) < 0 or size != len(content):
            raise ValueError(f"{len(content):,} bytes or items in an array of {size:,}")
        self._spend(len(content))
        target.__setstate__(state)

    def load_bytearray8(self) -> None:
        """Read the bytes before allocating memory for them, not after."""
        (size,) = struct.unpack("<Q", self.read(8))
        self.stack.append(bytearray(self.read(size)))

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: load_build,
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }

    # --- replacements of the functions that a pickle may name

    def _spend(self, size: int) -> None:
        self._copied += size
        if self._copied > COPIES * self._counted.count + FREE:
            self._refuse(f"copies its content until there are {self._copied:,} bytes")

    def _copying(self, kind: Callable[..., Any]) -> Callable[..., Any]:
        def make(items: Sized = ()) -> Any:
            self._spend(ENTRY * len(items))
            return kind(items)

        return make

    def _dtype(self, text: str | bytes, *_: object) -> np.dtype[Any]:
        if not DTYPE.fullmatch(_text(text)):
            self._refuse(f"contains an array of {text!r}")
        return np.dtype(_text(text), copy=True)

    def _empty(self, kind: object, *_: object) -> NDArray[Any]:
        if kind is not NDARRAY:
            self._refuse("contains an array of a class other than numpy.ndarray")
        return np.empty(0, np.int8)

    def _array(
        self,
        buffer: bytes,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        order: Any,
        axes: tuple[int, ...] = (),
    ) -> NDArray[Any]:
        flat = np.frombuffer(buffer, dtype)
        if order == "K":  # `axes` is the order of the axes in memory
            return flat.reshape(shape).transpose(axes)
        return flat.reshape(shape, order=order)

    def _scalar(self, dtype: np.dtype[Any], content: bytes | str) -> Any:
        if isinstance(content, str):
            content = content.encode("latin1")
        return np.frombuffer(content, dtype, 1)[0]

    def _encoded(self, text: str, encoding: str = "latin1") -> bytes:
        if encoding not in ("latin1", "latin-1"):
            self._refuse(f"asks for the codec {encoding!r}")
        self._spend(len(text))
        return text.encode("latin1")

    def _bytearray(self, content: bytes | str = b"", *encoding: str) -> bytearray:
        if isinstance(content, str):
            raw = self._encoded(content, *encoding)
        else:
            raw = bytes(memoryview(content))  # refuses a number, which would allocate as many bytes
        self._spend(len(raw))
        return bytearray(raw)


def _text(text: str | bytes) -> str:
    if isinstance(text, bytes):
        return text.decode()
    return text
