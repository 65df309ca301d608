"""Pickles of data are read, and damaged ones are answered in one line."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from workbench.data.files.pickles import load_pickle
from workbench.errors import DataError

few = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(st.text() | st.integers(), inside, max_size=4)
        | st.tuples(inside, inside)
        | st.dictionaries(st.text(), inside, max_size=4).map(OrderedDict)
    ),
    max_leaves=12,
)
dtypes = st.sampled_from(
    ["?", "i1", "u1", "<i4", ">i4", ">u2", "<f4", ">f8", "c16", "S3", "<U3", ">U3", "O"]
)


def one_line(error: Exception) -> None:
    assert str(error).startswith("the pickle ")
    assert "\n" not in str(error)


# --- what is read


@few
@given(plain, st.sampled_from(PROTOCOLS))
def test_plain_values(value, protocol):
    again = load_pickle(pickle.dumps(value, protocol))
    assert again == value
    assert type(again) is type(value)


@few
@given(st.data(), dtypes, st.sampled_from(PROTOCOLS), st.sampled_from("CF"))
def test_arrays(data, dtype, protocol, order):
    elements = st.integers(-5, 5) | st.text() if dtype == "O" else None
    shapes = arrays.array_shapes(min_dims=0, max_dims=3, max_side=4) | st.just((0, 3))
    array = np.array(
        data.draw(arrays.arrays(np.dtype(dtype), shapes, elements=elements)), order=order
    )
    twice = {"a": array, "turned": array.T, "again": array}
    dumped = pickle.dumps(twice, protocol)
    expected, found = pickle.loads(dumped), load_pickle(dumped)
    assert found["a"] is found["again"]
    for name in ("a", "turned"):
        assert type(found[name]) is np.ndarray
        assert found[name].dtype == expected[name].dtype
        assert found[name].strides == expected[name].strides
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        np.float32(1.5),
        np.bool_(True),
        np.int64(-3),
        np.str_("ä"),
        np.bytes_(b"x"),
        np.dtype(">f8"),
        np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
        bytearray(b"12\xff"),
        bytearray(),
        {1, 2},
        frozenset("a"),
        1 + 2j,
        b"",
        b"\xff",
    ],
    ids=repr,
)
def test_other_values(value, protocol):
    again = load_pickle(pickle.dumps(value, protocol))
    assert type(again) is type(value)
    np.testing.assert_array_equal(again, value)


def test_module_paths_of_every_numpy():
    dumped = pickle.dumps(np.arange(3, dtype=np.uint8), 2)
    old = dumped.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    new = old.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    assert old != new
    assert load_pickle(old).tolist() == load_pickle(new).tolist() == [0, 1, 2]


# as Python 2 writes {"data": np.arange(3, dtype=np.uint8), "labels": [1, 2]}, protocol 2 and 0
PYTHON_2 = [
    b"\x80\x02}q\x00(U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04U\x01bq"
    b"\x05\x87q\x06Rq\x07(K\x01K\x03\x85q\x08cnumpy\ndtype\nq\tU\x02u1q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01|q\rNNNJ\xff"
    b"\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb\x89U\x03\x00\x01\xffq\x0ftq\x10bU\x06labelsq\x11]q\x12(K\x01K\x02eu.",
    b"(dp0\nS'data'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n(I1\n"
    b"(I3\ntp8\ncnumpy\ndtype\np9\n(S'u1'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'|'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\nS'\\x00"
    b"\\x01\\xff'\np15\ntp16\nbsS'labels'\np17\n(lp18\nI1\naI2\nas.",
]


@pytest.mark.parametrize("dumped", PYTHON_2, ids=["protocol 2", "protocol 0"])
def test_pickles_of_python_2(dumped):
    for encoding, data, labels in (("latin1", "data", "labels"), ("bytes", b"data", b"labels")):
        content = load_pickle(dumped, encoding=encoding)
        assert content[data].tolist() == [0, 1, 255]
        assert content[data].dtype == np.uint8
        assert content[labels] == [1, 2]
    with pytest.raises(DataError, match="UnicodeDecodeError"):
        load_pickle(dumped)


def test_streams_are_read_from_where_they_stand():
    stream = io.BytesIO(b"before" + pickle.dumps([1]) + pickle.dumps(np.arange(3)) + b"after")
    stream.seek(6)
    assert load_pickle(stream) == [1]


# --- damage


@few
@given(st.data(), st.sampled_from(PROTOCOLS))
def test_damage_gives_one_line(data, protocol):
    value = {
        "data": np.arange(12, dtype=np.float32).reshape(3, 4),
        "labels": [1, 2, "x"],
        "o": np.array([1, "a"], object),
    }
    broken = bytearray(pickle.dumps(value, protocol))
    del broken[data.draw(st.integers(0, len(broken))) :]
    for position in data.draw(st.lists(st.integers(0, max(len(broken) - 1, 0)), max_size=3)):
        if broken:
            broken[position] = data.draw(st.integers(0, 255))
    try:
        load_pickle(bytes(broken))
    except DataError as error:
        one_line(error)


@given(st.binary(max_size=60))
@few
def test_any_bytes_give_at_most_one_line(content):
    try:
        load_pickle(content)
    except DataError as error:
        one_line(error)
