"""What comes from a wire is read or refused, never trusted."""

import io
import pickle
import tracemalloc

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vipa.serving.arrays import WireError
from vipa.serving.protocols import groot_wire, openpi_wire

WIRES = [openpi_wire, groot_wire]
array = arrays.arrays(
    st.one_of(arrays.boolean_dtypes(), arrays.integer_dtypes(), arrays.floating_dtypes(sizes=(32, 64))),
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
message = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=8), array),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


def same(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


@pytest.mark.parametrize("wire", WIRES)
@given(value=message)
def test_a_message_comes_back(wire, value):
    assert same(value, wire.unpack(wire.pack(value)))


@pytest.mark.parametrize("wire", WIRES)
@settings(max_examples=300)
@given(data=st.binary(max_size=200))
def test_noise_is_refused_or_harmless(wire, data):
    try:
        wire.unpack(data)
    except WireError as error:
        assert "\n" not in str(error)


@given(
    dtype=st.one_of(
        st.sampled_from(["<f8", "<f4", "|O", "<c16", "|V8", "<M8[s]", "S4", "i4,f8", "(2,)f4", "", None]), st.text()
    ),
    shape=st.one_of(st.lists(st.integers(-3, 2**62), max_size=10), st.integers(-(2**63), 2**63), st.text()),
    data=st.one_of(st.binary(max_size=64), st.text()),
)
def test_an_array_is_numbers_in_as_many_bytes_as_its_shape_says(dtype, shape, data):
    packed = msgpack.packb({b"__ndarray__": True, b"data": data, b"dtype": dtype, b"shape": shape})
    try:
        found = openpi_wire.unpack(packed)
    except WireError:
        return
    assert found.dtype.kind in "biuf" and found.nbytes == len(data) and found.shape == tuple(shape)


def test_objects_are_refused_both_ways():
    evil = np.array([{}], object)
    for wire in WIRES:
        with pytest.raises(WireError, match="allowed: booleans, integers and floats"):
            wire.pack({"x": evil})
    packed = msgpack.packb({b"__ndarray__": True, b"data": pickle.dumps(1), b"dtype": "|O", b"shape": [1]})
    with pytest.raises(WireError, match="type 'object'; allowed: booleans, integers and floats"):
        openpi_wire.unpack(packed)
    file = io.BytesIO()
    np.save(file, evil, allow_pickle=True)
    with pytest.raises(WireError, match="type 'object'"):
        groot_wire.unpack(msgpack.packb({"__ndarray_class__": True, "as_npy": file.getvalue()}))


def test_a_header_that_claims_a_terabyte_allocates_nothing():
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (2**37,)})
    with pytest.raises(WireError, match="with 0 bytes of data"):
        groot_wire.unpack(msgpack.packb({"__ndarray_class__": True, "as_npy": file.getvalue()}))


def test_the_forms_are_those_of_their_sources():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    raw = msgpack.unpackb(openpi_wire.pack({"x": x}))["x"]
    assert raw == {b"__ndarray__": True, b"data": x.tobytes(), b"dtype": "<f4", b"shape": [2, 3]}
    raw = msgpack.unpackb(groot_wire.pack({"x": x}))["x"]
    assert raw["__ndarray_class__"] is True
    np.testing.assert_array_equal(np.load(io.BytesIO(raw["as_npy"]), allow_pickle=False), x)
    by_columns = np.asfortranarray(x)
    np.testing.assert_array_equal(groot_wire.unpack(groot_wire.pack({"x": by_columns}))["x"], x)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "inner",
    [b"\x80", b"\x90", b"\x01", b"\x81\xa0\x80", b"\xa0"],
    ids=["maps", "lists", "numbers", "maps in maps", "texts"],
)
def test_thirty_million_items_take_no_memory(wire, inner):
    """Each item of one byte is an object of some sixty: a message must not be able to ask for gigabytes."""
    row = b"\xdc\x0f\xff" + inner * 4095
    data = b"\xdc\x0f\xff" + row * 4095
    data = data[: 30 * 2**20]
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match="more than 65536 items|not a msgpack message"):
            wire.unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "head", [b"\xdd\x01\xc9\xc3\x80", b"\xdf\x01\xc9\xc3\x80", b"\x91" * 100_000, b"\x81\xa0" * 100_000]
)
def test_headers_and_nesting_are_bounded(head):
    with pytest.raises(WireError):
        openpi_wire.unpack(head + b"\x80" * 1000)
