"""Batches of samples: plain, ragged, of several inputs, weighted."""

import numpy as np
import pytest

from dist_bp.data import Amount, Batches, Gatherer, RaggedArray, SampleStore, inputs
from dist_bp.data.samples import cuts
from dist_bp.groups import Group
from dist_bp.signals import Ragged
from dist_bp.types import Array
from tests.allocation import takes_less

LENGTHS = np.array([3, 9, 0, 17, 1, 4])


def ragged(width: int | None = None, kind: str = "float64") -> RaggedArray:
    shape = (int(LENGTHS.sum()),) if width is None else (int(LENGTHS.sum()), width)
    values = np.arange(1, np.prod(shape) + 1).reshape(shape).astype(kind)
    return RaggedArray(values, np.concatenate([[0], np.cumsum(LENGTHS)]))


def sample(stored: RaggedArray, row: int) -> Array:
    return stored.values[stored.offsets[row] : stored.offsets[row + 1]]


def test_a_batch_copies_its_rows() -> None:
    array = np.arange(24, dtype=np.float32).reshape(6, 2, 2)
    array.flags.writeable = False
    gatherer = Gatherer(SampleStore(array, np.arange(6)), 3)
    rows, groups = np.array([4, 0, 4]), (Group(0, 0, 3),)
    batch = gatherer.batch(rows, groups, rows)
    np.testing.assert_array_equal(batch.inputs, array[rows])
    np.testing.assert_array_equal(batch.targets, rows)
    assert (batch.weights, batch.groups, len(batch)) == (None, groups, 3)
    assert not len(gatherer.batch(rows[:0], (), rows))


def test_ragged_samples_are_padded_to_the_longest_of_the_global_batch() -> None:
    inputs, targets = ragged(2), ragged(kind="int64")
    gatherer = Gatherer(SampleStore(inputs, targets), 4)
    whole = np.array([0, 1, 3, 4])
    for rows in (whole[:2], whole[2:], whole):
        batch = gatherer.batch(rows, (), whole)
        assert batch.inputs.values.shape == (len(rows), 24, 2)
        np.testing.assert_array_equal(batch.inputs.lengths, LENGTHS[rows])
        for stored, got in ((inputs, batch.inputs), (targets, batch.targets)):
            for place, row in enumerate(rows):
                np.testing.assert_array_equal(got.values[place, : LENGTHS[row]], sample(stored, row))
                assert not got.values[place, LENGTHS[row] :].any()
    assert gatherer.batch(np.array([2]), (), np.array([2])).inputs.values.shape == (1, 8, 2)


def test_named_inputs_and_weights_come_along() -> None:
    store = SampleStore({"text": ragged(), "table": np.arange(12.0).reshape(6, 2)}, np.arange(6), np.arange(6.0))
    batch = Gatherer(store, 2).batch(np.array([5, 1]), (), np.array([5, 1, 0]))
    assert isinstance(batch.inputs["text"], Ragged)
    np.testing.assert_array_equal(batch.inputs["table"], [[10, 11], [2, 3]])
    np.testing.assert_array_equal(batch.weights, [5, 1])


@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.5, 2.0, 0.25, 0.0, 4.0])])
def test_the_amount_is_what_a_loss_is_divided_by(weights: Array | None) -> None:
    rows, factor = np.array([0, 3, 5]), np.ones(6) if weights is None else weights
    flat, fixed = np.arange(6), np.zeros((6, 7), np.int64)
    numbers = np.zeros((6, 7, 2))
    assert SampleStore(flat, flat, weights).amount(rows) == Amount(3, factor[rows].sum())
    for targets in (fixed, numbers):
        assert SampleStore(flat, targets, weights).amount(rows) == Amount(3, 7 * factor[rows].sum())
    assert SampleStore(flat, ragged(), weights).amount(rows) == Amount(3, (factor * LENGTHS)[rows].sum())


@pytest.mark.parametrize("rows", [[], [0], [2], [1, 2, 3], [0, 2, 4, 5], [5, 0, 0, 1]])
def test_samples_of_different_lengths_are_taken(rows: list[int]) -> None:
    stored = ragged(2)
    taken = stored.taken(np.array(rows, np.int64))
    assert len(taken) == len(rows)
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(sample(taken, place), sample(stored, row))


def test_raw_blocks_of_long_samples_hold_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MOST_NUMBERS", 2 * 20)
    found = inputs.Inputs({inputs.ONLY: ragged(2)}, np.empty((6, 0), object))
    every = np.arange(6)
    assert [rows.tolist() for rows in found.chunks(every, 4)] == [[0, 1, 2], [3, 4], [5]]
    assert [rows.tolist() for rows in found.chunks(every, 1)] == [[row] for row in every]
    assert [rows.tolist() for rows in found.chunks(every[::3], 4)] == [[0, 3]]
    assert not [*found.chunks(every[:0], 4)]
    monkeypatch.setattr(inputs, "MOST_NUMBERS", 1)
    assert [len(rows) for rows in found.chunks(every, 4)] == [1] * 6


def test_blocks_cover_the_samples() -> None:
    store = SampleStore({"text": ragged()}, ragged(3), np.arange(6.0))
    blocks = list(store.blocks(1, 6, 2))
    assert [len(block) for block in blocks] == [2, 2, 1]
    assert [block.targets.values.shape[1] for block in blocks] == [16, 24, 8]
    assert [np.asarray(block.weights).tolist() for block in blocks] == [[1, 2], [3, 4], [5]]
    for row, block in ((1, blocks[0]), (3, blocks[1]), (5, blocks[2])):
        np.testing.assert_array_equal(block.inputs["text"].values[0, : LENGTHS[row]], sample(store.inputs["text"], row))


def test_a_long_sample_goes_by_itself() -> None:
    assert [*cuts(LENGTHS, 0, 6, 4)] == [*cuts(LENGTHS, 0, 6, 4, 96)] == [(0, 4), (4, 6)]
    assert [*cuts(LENGTHS, 0, 6, 4, 48)] == [(0, 3), (3, 5), (5, 6)]
    assert [*cuts(LENGTHS, 1, 6, 4, 16)] == [(1, 2), (2, 3), (3, 4), (4, 6)]
    assert [*cuts(LENGTHS, 0, 6, 9, 8)] == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]
    assert [*cuts(None, 0, 6, 4, 1)] == [(0, 4), (4, 6)]
    store = SampleStore(ragged(), ragged())
    assert [len(block) for block in store.blocks(0, 6, 4, 48)] == [3, 2, 1]


def test_nothing_is_allocated_after_the_largest() -> None:
    samples = 4096
    offsets = np.arange(samples + 1) * 8
    store = SampleStore(RaggedArray(np.ones((samples * 8, 40)), offsets), np.zeros(samples, np.int64))
    batches = Batches(samples, 2048, 32)
    gatherer = Gatherer(store, batches.largest)

    def step(number: int) -> None:
        gatherer.batch(*batches.parts(number)[0], batches.whole(number))

    step(0)
    assert takes_less(2048 * 8 * 40, lambda: lambda: step(1))
