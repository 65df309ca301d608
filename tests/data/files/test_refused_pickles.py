"""Pickles that would run code or fill the memory are refused, and nothing that they name runs."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.data.files.pickles import load_pickle
from workbench.errors import DataError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


# --- code


class Calls:
    """Pickled as a call of the function that it is given."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None):
        self.made = (function, arguments, state) if state is not None else (function, arguments)

    def __reduce__(self) -> Any:
        return self.made


def call(module: str, name: str, *arguments: str) -> bytes:
    """Return a pickle that calls `module.name` with strings."""
    text = "".join(f"V{argument}\n" for argument in arguments)
    return f"c{module}\n{name}\n({text}tR.".encode()


HOSTILE = [
    ("os.system", Calls(os.system, "touch hacked")),
    ("subprocess.Popen", Calls(subprocess.Popen, ["touch", "hacked"])),
    ("builtins.eval", Calls(eval, "open('hacked', 'w')")),
    ("builtins.exec", Calls(exec, "open('hacked', 'w')")),
    ("builtins.getattr", Calls(getattr, "x", "upper")),
    ("builtins.open", call("builtins", "open", "hacked", "w")),
    ("io.open", call("io", "open", "hacked", "w")),
    ("builtins.__import__", call("builtins", "__import__", "os")),
    ("__builtin__.eval", call("__builtin__", "eval", "open('hacked', 'w')")),
    ("numpy.fromfile", Calls(np.fromfile, "/etc/passwd", np.uint8)),
    ("numpy.load", Calls(np.load, "/etc/passwd")),
    ("numpy.memmap", call("numpy", "memmap", "hacked")),
    ("numpy.zeros", call("numpy", "zeros", "9")),
    ("numpy.core.multiarray.fromfile", call("numpy.core.multiarray", "fromfile", "hacked")),
    ("numpy._core.multiarray.frombuffer", call("numpy._core.multiarray", "frombuffer", "x")),
    (
        "numpy.testing._private.utils.runstring",
        call("numpy.testing._private.utils", "runstring", "1"),
    ),
    ("numpy.f2py.diagnose.run_command", call("numpy.f2py.diagnose", "run_command", "touch hacked")),
    ("copyreg._reconstructor", call("copyreg", "_reconstructor", "x")),
    ("copy_reg._reconstructor", call("copy_reg", "_reconstructor", "x")),
    ("collections.namedtuple", call("collections", "namedtuple", "a", "b")),
    ("functools.partial", call("functools", "partial", "a")),
    ("_codecs.decode", call("_codecs", "decode", "a", "zlib")),
    ("codecs.encode", call("codecs", "encode", "a", "rot13")),
    ("workbench.data.files.pickles.load", call("workbench.data.files.pickles", "load", "x")),
    ("pathlib.", Path("x")),
]


@pytest.mark.parametrize(("wanted", "value"), HOSTILE, ids=[wanted for wanted, _ in HOSTILE])
@pytest.mark.parametrize("wrapped", [False, True])
def test_functions_are_refused_by_name(tmp_path, monkeypatch, wanted, value, wrapped):
    monkeypatch.chdir(tmp_path)
    if isinstance(value, bytes):
        value = value if not wrapped else b"(l" + value[:-1] + b"a."  # the second item of a list
        dumps = [value]
    else:
        value = (
            np.array([1, {"x": [value]}], object) if wrapped else value
        )  # an object array hides it
        dumps = [pickle.dumps(value, protocol) for protocol in PROTOCOLS]
    for dumped in dumps:
        with pytest.raises(DataError) as caught:
            load_pickle(dumped, name="batch_1")
        assert str(caught.value).startswith("batch_1 asks for ")
        assert "only arrays, numbers, strings and plain containers are read" in str(caught.value)
        assert wanted.rpartition(".")[2] in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("dumped", "message"),
    [
        # dotted names, with which protocol 4 reaches attributes of allowed functions
        (b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__reduce\x93.", "asks for numpy.ndarray.__reduce"),
        (
            b"\x80\x04\x8c\x05numpy\x8c\x17core.multiarray.fromfil\x93.",
            r"asks for numpy\.core\.multiarray\.fromfil",
        ),
        (
            b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.",
            "asks for collections.OrderedDict.__init__",
        ),
        (
            b"\x80\x04\x8c\x07_codecs\x8c\x10encode.__globals\x93.",
            "asks for _codecs.encode.__globals",
        ),
        # the class of arrays is only an argument: it cannot be called or instantiated
        (b"cnumpy\nndarray\n(I9\ntR.", "not a pickle, or it is damaged"),
        (b"\x80\x02cnumpy\nndarray\nI9\n\x85\x81.", "not a pickle, or it is damaged"),
        # an array of another class
        (
            b"cnumpy.core.multiarray\n_reconstruct\n(c__builtin__\nset\n(I0\ntS'b'\ntR.",
            "an array of a class other than numpy.ndarray",
        ),
        # codecs that unpack
        (b"c_codecs\nencode\n(VQ\nVzlib_codec\ntR.", "asks for the codec 'zlib_codec'"),
        # setting attributes of allowed functions
        (b"c_codecs\nencode\n}V__defaults__\nI1\nsb.", "sets the state of a method"),
        (b"ccollections\nOrderedDict\nN}V__class__\nI1\ns\x86b.", "sets the state of a function"),
        (b"c__builtin__\ncomplex\n}Vx\nI1\nsb.", "sets the state of a type"),
        (b"(lVx\nb.", "sets the state of a list"),
        # references to something outside
        (b"Pname\n.", "refers to something outside of it"),
        (b"\x80\x02Vname\nQ.", "refers to something outside of it"),
        (b"\x80\x02\x82\x01.", "asks for the extension 1"),
        (b"\x80\x05\x97.", "not a pickle, or it is damaged"),
        # records, dates and other types of numpy
        (pickle.dumps(np.zeros(2, [("a", "u1"), ("b", "O")]), 2), "contains an array of 'V9'"),
        (pickle.dumps(np.zeros(2, "M8[s]"), 2), "contains an array of 'M8'"),
        (pickle.dumps(np.ma.zeros(2), 2), r"asks for numpy\.ma"),
        (pickle.dumps(np.random.default_rng(0), 2), r"asks for numpy\.random"),
    ],
)
def test_other_tricks_are_refused(dumped, message):
    with pytest.raises(DataError, match=message):
        load_pickle(dumped)


def array_pickle(shape: bytes, dtype: bytes, state: bytes, content: bytes) -> bytes:
    """Return the pickle of an array, with a given state of its type."""
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n"
        + shape
        + b"cnumpy\ndtype\n(S'"
        + dtype
        + b"'\nI0\nI1\ntR"
        + state
        + b"bI00\n"
        + content
        + b"tb."
    )


FINE = b"(I3\nS'|'\nNNNI-1\nI-1\nI0\nt"


def test_array_by_hand():
    assert load_pickle(array_pickle(b"(I2\nt", b"u1", FINE, b"S'ab'\n")).tolist() == [97, 98]


@pytest.mark.parametrize(
    "dumped",
    [
        array_pickle(b"(I3\nt", b"u1", FINE, b"S'ab'\n"),  # fewer bytes than the shape says
        array_pickle(b"(I-1\nI-2\nt", b"u1", FINE, b"S'ab'\n"),
        array_pickle(
            b"(I4294967296\nI4294967296\nt", b"u1", FINE, b"S''\n"
        ),  # the product overflows
        array_pickle(b"(I1\nt", b"O", FINE, b"S'abcdefgh'\n"),  # bytes as pointers
        array_pickle(b"(I1\nt", b"u8", FINE, b"(lVx\na"),
        array_pickle(
            b"(I1\nt", b"u1", b"(I3\nS'|'\nNS'a'\nI1\nI-1\nI-1\nI0\nt", b"S'a'\n"
        ),  # fields in a number
        array_pickle(b"(I1\nt", b"u1", b"N", b"S'a'\n"),
        array_pickle(b"(I1\nt", b"u1", b"(I3\nS'q'\nNNNI-1\nI-1\nI0\nt", b"S'a'\n"),
        array_pickle(b"(I1\nt", b"S99999999999", FINE, b"S'a'\n"),
        array_pickle(b"N", b"u1", FINE, b"S'a'\n"),
    ],
)
def test_invalid_arrays_are_refused(dumped):
    with pytest.raises(DataError):
        load_pickle(dumped, encoding="latin1")


def test_flags_of_a_type_are_ignored():
    """Numbers whose type has the flags of objects: numpy would follow them as pointers."""
    state = b"(I3\nS'|'\nNNNI-1\nI-1\nI63\nt"
    found = load_pickle(array_pickle(b"(I8\nt", b"u1", state, b"S'abcdefgh'\n"), encoding="latin1")
    assert found.dtype == np.uint8
    assert not found.dtype.hasobject
    assert found.dtype.flags == np.dtype("u1").flags


def test_reading_pickles_imports_nothing_that_they_name():
    dumped = b"cwebbrowser\nopen\n(Vx\ntR."
    code = f"""
import sys
from workbench.data import load_pickle
try:
    load_pickle({dumped!r})
except Exception as error:
    print(error)
print('webbrowser' in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert "asks for webbrowser.open" in out
    assert out.splitlines()[-1] == "False"


# --- memory


def big(number: int) -> bytes:
    return struct.pack("<Q", number)


@pytest.mark.parametrize(
    "dumped",
    [
        b"\x80\x04\x8e" + big(2**40),  # bytes
        b"\x80\x04\x8d" + big(2**36) + b"abc",  # text
        b"\x80\x05\x96" + big(2**33) + b"abc",  # bytearray
        b"\x80\x04\x95" + big(2**36) + b"N.",  # frame
        b"Nr\xff\xff\xff\x7f.",  # a memo with a large number
        b"c__builtin__\nbytearray\n(I9999999999\ntR.",
        b"c__builtin__\nbytes\n(I9999999999\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I9999999999\ntS'O'\ntR0N.",
        array_pickle(b"(I9999999999\nt", b"O", FINE, b"(l"),
        # one value, copied again and again
        pickle.dumps(bytes(10**6), 4)[:-1]
        + b"\x94"
        + b"cbuiltins\nbytearray\nh\x00\x85R" * 400
        + b".",
        b"(l" + b"I1\na" * 10**5 + b"p0\n" + b"cbuiltins\nset\nh\x00\x85R" * 10**5 + b".",
        b"(l" + b"I1\na" * 10**5 + b"p0\n" + b"cbuiltins\nfrozenset\nh\x00\x85R" * 10**5 + b".",
    ],
    ids=range(12),
)
def test_small_pickle_takes_little_memory(dumped):
    tracemalloc.start()
    with suppress(DataError):  # some are read
        load_pickle(dumped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**8


def test_the_message_about_copying():
    dumped = (
        pickle.dumps(bytes(10**6), 4)[:-1]
        + b"\x94"
        + b"cbuiltins\nbytearray\nh\x00\x85R" * 400
        + b"."
    )
    with pytest.raises(DataError, match=r"copies its content until there are [0-9,]+ bytes"):
        load_pickle(dumped)
