"""Codecs: size, error bounds, what is not finite; error feedback loses nothing for good."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dist_bp.ps.compression import BLOCK, Codec, ErrorFeedback, Half, Int8, TopK, make_codec

Floats = npt.NDArray[np.float32]

CODECS: list[Codec] = [Half(), Int8(), TopK(0.1), TopK(1.0)]
VECTORS = arrays(np.float32, st.integers(0, 40), elements=st.floats(-1e6, 1e6, width=32))
every_codec = pytest.mark.parametrize("codec", CODECS, ids=str)
few = settings(max_examples=60, deadline=None, derandomize=True)


def roundtrip(codec: Codec, vector: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    data = np.empty(codec.nbytes(len(vector)), np.uint8)
    codec.encode(vector, data)
    out = np.full_like(vector, 7)
    codec.decode(memoryview(data.tobytes()), out)
    return out


def normal(n: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=n).astype(np.float32)


@few
@given(arrays(np.float32, st.integers(0, 40), elements=st.floats(allow_nan=False, allow_infinity=False, width=32)))
@example(np.array([65504, 65519, 65520, -1e9, 1e-9], np.float32))
def test_halves_are_off_by_at_most_half_a_unit_and_saturate(vector: Floats) -> None:
    expected = np.clip(vector.astype(float), -65504, 65504)
    bound = np.maximum(np.abs(expected) * 2.0**-11, 2.0**-25)
    assert (np.abs(roundtrip(Half(), vector) - expected) <= bound).all()


@few
@given(VECTORS)
@example(np.zeros(5, np.float32))
@example(np.array([1e-45, -3e-43], np.float32))
def test_whole_multiples_are_off_by_at_most_half_a_scale(vector: Floats) -> None:
    largest = np.abs(vector).max(initial=0).astype(float)
    smallest = np.finfo(np.float32).smallest_subnormal
    bound = largest / 127 / 2 * (1 + 1e-4) + 127 * smallest
    assert (np.abs(roundtrip(Int8(), vector).astype(float) - vector) <= bound).all()


@pytest.mark.parametrize("n", [1, BLOCK - 1, BLOCK, BLOCK + 1, 33 * BLOCK + 5])
def test_every_block_has_the_scale_of_its_own_largest_element(n: int) -> None:
    vector = normal(n) * np.repeat(10.0 ** np.arange(-17, 17), BLOCK)[:n].astype(np.float32)
    got = roundtrip(Int8(), vector)
    for start in range(0, n, BLOCK):
        block = vector[start : start + BLOCK]
        assert np.abs(got[start : start + BLOCK] - block).max() <= np.abs(block).max() / 254 * 1.0001


def test_ties_are_rounded_to_even() -> None:
    np.testing.assert_array_equal(roundtrip(Int8(), np.array([127, 0.5, 1.5, -2.5], np.float32)), [127, 0, 2, -2])


@few
@given(VECTORS, st.floats(0.01, 1))
def test_the_largest_elements_are_sent_as_they_are(vector: Floats, fraction: float) -> None:
    codec = TopK(fraction)
    got = roundtrip(codec, vector)
    sent = np.sort(np.abs(vector))[len(vector) - codec.count(len(vector)) :]
    np.testing.assert_array_equal(np.sort(np.abs(got))[len(vector) - len(sent) :], sent)
    assert ((got == vector) | (got == 0)).all()
    assert codec.count(len(vector)) == int(np.ceil(fraction * len(vector)))


@pytest.mark.parametrize(
    ("codec", "nbytes"), [(Half(), 6000), (Int8(), 3000 + 3 * 4), (TopK(0.01), 30 * 8), (TopK(0.0001), 8)], ids=str
)
def test_sizes(codec: Codec, nbytes: int) -> None:
    assert codec.nbytes(3000) == nbytes
    assert codec.nbytes(0) == 0


@every_codec
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1500])
def test_what_is_not_finite_is_still_noticed(codec: Codec, bad: float, place: int) -> None:
    vector = normal(2000)
    vector[place] = bad
    assert not np.isfinite(roundtrip(codec, vector)).all()


@every_codec
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bytes_for_the_same_vector(codec: Codec, dtype: str) -> None:
    vector = normal(3000).astype(dtype)
    data = [np.full(codec.nbytes(3000), fill, np.uint8) for fill in (0, 255)]
    for buffer in data:
        codec.encode(vector, buffer)
    np.testing.assert_array_equal(*data)
    np.testing.assert_allclose(roundtrip(codec, vector), roundtrip(codec, vector.astype(np.float32)))


@every_codec
@few
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=8))
def test_all_that_was_decoded_is_all_that_was_given_less_the_residual(codec: Codec, seeds: list[int]) -> None:
    n = 50
    feedback, owed = ErrorFeedback(codec, n), np.zeros(n, np.float32)
    given_sum, decoded_sum, out = np.zeros(n), np.zeros(n), np.empty(n)
    for seed in seeds:
        vector = normal(n, seed)
        given_sum += vector
        codec.decode(feedback.encode(vector, owed, owed), out)
        decoded_sum += out
    np.testing.assert_allclose(decoded_sum, given_sum - owed, atol=1e-5 * len(seeds))


def test_small_elements_arrive_late_instead_of_never() -> None:
    vector = np.array([10, 1, 0, 0], np.float32)
    out, codec = np.empty(4, np.float32), TopK(0.25)
    feedback, owed = ErrorFeedback(codec, 4), np.zeros(4, np.float32)
    sums = np.zeros(4)
    for _ in range(44):
        codec.decode(feedback.encode(vector, owed, owed), out)
        sums += out
    assert sums[1] >= 44 - 11
    assert roundtrip(codec, vector)[1] == 0


def test_names() -> None:
    assert make_codec("none") is None
    assert [make_codec("fp16"), make_codec("int8"), make_codec("top_k", 0.2)] == [Half(), Int8(), TopK(0.2)]
