"""Pickles read as data: arrays, numbers, strings and plain containers, never a program.

A pickle is a list of instructions, some of which call what the pickle names. Here it may name only what
numpy's arrays and Python's containers are made of, each stood in for by a function of this module that
makes that and nothing else, and it may set the state of nothing but an array or the type of one.
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

DTYPE = re.compile(
    r"[<>|=]?[biufcSUO?][0-9]*"
)  # numbers, strings and objects: no records, no dates
NDARRAY = "numpy.ndarray"  # stands for the class, which only ever is an argument
COPIES = 8  # bytes that calls may copy for each byte read; without a limit a small pickle fills the memory
ENTRY = 64  # bytes of an entry of a container, or so
FREE = 2**26  # bytes that they may copy in any case


def load_pickle(
    data: bytes | BinaryIO, *, encoding: str = "ASCII", name: str = "the pickle"
) -> Any:
    """Return what a pickle holds.

    Args:
        data: its bytes, or a stream that stands where it begins.
        encoding: of the strings of Python 2: "latin1" if there are arrays among them, "bytes" to keep them.
        name: what messages call it.

    Raises:
        DataError: it is damaged, copies its content too often, or asks for anything but arrays, numbers,
            strings and plain containers; the message says for what.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    try:
        return _Reader(stream, encoding, name).load()
    except DataError:
        raise
    except Exception as error:  # instructions in the wrong order raise anything
        found = f"{type(error).__name__}: {error}".rstrip(": ")
        raise DataError(f"{name} is a damaged pickle, or none ({found}).") from error


class _Counted:
    """A stream that counts what was read of it, and never gives less than it was asked for."""

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
    """An unpickler with a closed list of what may be called.

    Python's own in Python: the one in C fills the memory for a large number of a memo, and shows nobody
    the states that it sets.
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
            "builtins.bytes": lambda: b"",  # written out otherwise unless empty
            "builtins.set": self._copying(set),
            "builtins.frozenset": self._copying(frozenset),
            "builtins.complex": complex,
        }

    def find_class(self, module: str, name: str) -> Any:
        modern = module.replace("__builtin__", "builtins").replace("numpy._core", "numpy.core")
        if f"{modern}.{name}" not in self._known:
            self._refuse(f"asks for {module}.{name}")
        return self._known[f"{modern}.{name}"]

    def persistent_load(self, pid: Any) -> NoReturn:  # noqa: ARG002
        self._refuse("refers to something outside it")

    def get_extension(self, code: int) -> NoReturn:
        self._refuse(f"asks for the extension {code}")

    def _refuse(self, what: str) -> NoReturn:
        raise DataError(
            f"{self._name} {what}; only arrays, numbers, strings and plain containers are read."
        )

    # --- instructions

    def load_build(self) -> None:
        """Set the state of an array or of its type, once it was looked at."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, np.dtype):
            _, order, *inner = state[:5]
            if inner != [None, None, None]:
                self._refuse("holds records")
            # in place, because the pickle may mean this one again; numpy would believe any state
            state = target.newbyteorder(_text(order)).__reduce__()[2]  # type: ignore[arg-type]
            target.__setstate__(state)  # type: ignore[attr-defined]
        elif type(target) is np.ndarray and target.shape == (0,):
            _, shape, dtype, _, content = state
            size = math.prod(shape) * (1 if dtype.hasobject else dtype.itemsize)
            if min(shape, default=0) < 0 or size != len(
                content
            ):  # numpy takes the memory before it looks
                raise ValueError(f"{len(content):,} bytes or items in an array of {size:,}")
            self._spend(len(content))
            target.__setstate__(state)
        else:
            self._refuse(f"sets the state of a {type(target).__name__}")

    def load_bytearray8(self) -> None:
        """Read before memory is taken, not after."""
        (size,) = struct.unpack("<Q", self.read(8))
        self.stack.append(bytearray(self.read(size)))

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: load_build,
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }

    # --- what stands for the functions that a pickle may name

    def _spend(self, size: int) -> None:
        self._copied += size
        if self._copied > COPIES * self._counted.count + FREE:
            self._refuse(f"copies what it holds until there are {self._copied:,} bytes")

    def _copying(self, kind: Callable[..., Any]) -> Callable[..., Any]:
        def make(items: Sized = ()) -> Any:
            self._spend(ENTRY * len(items))
            return kind(items)

        return make

    def _dtype(self, text: str | bytes, *_: object) -> np.dtype[Any]:
        if not DTYPE.fullmatch(_text(text)):
            self._refuse(f"holds an array of {text!r}")
        return np.dtype(_text(text), copy=True)

    def _empty(self, kind: object, *_: object) -> NDArray[Any]:
        if kind is not NDARRAY:
            self._refuse("holds an array that is none of numpy's own")
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
        if order == "K":  # its axes in another order in memory, which `axes` tells
            return flat.reshape(shape).transpose(axes)
        return flat.reshape(shape, order=order)

    def _scalar(self, dtype: np.dtype[Any], content: bytes | str) -> Any:
        raw = content.encode("latin1") if isinstance(content, str) else content
        return np.frombuffer(raw, dtype, 1)[0]

    def _encoded(self, text: str, encoding: str = "latin1") -> bytes:
        if encoding not in ("latin1", "latin-1"):
            self._refuse(f"asks for the codec {encoding!r}")
        self._spend(len(text))
        return text.encode("latin1")

    def _bytearray(self, content: bytes | str = b"", *encoding: str) -> bytearray:
        raw = (
            self._encoded(content, *encoding)
            if isinstance(content, str)
            else bytes(memoryview(content))
        )
        self._spend(len(raw))
        return bytearray(raw)


def _text(text: str | bytes) -> str:
    return text.decode() if isinstance(text, bytes) else text
