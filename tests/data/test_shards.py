import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dist_bp.data import Batches, Part, epoch_order, evaluation_rows, owned_groups
from dist_bp.data.shards import by_length, epoch_shift, padding_share

SIZES = st.fixed_dictionaries(
    {
        "samples": st.integers(1, 300),
        "batch_size": st.integers(1, 90),
        "group_size": st.integers(1, 40),
        "accumulate": st.integers(1, 3),
        "seed": st.integers(0, 2**70),
        "shuffle": st.booleans(),
    }
)


def parts_of(batches: Batches, step: int, shares: int) -> list[Part]:
    """Of all shares, in their order."""
    return [part for share in range(shares) for part in batches.parts(step, share)]


@given(SIZES, st.integers(1, 6), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_every_sample_is_visited_exactly_once_an_epoch(sizes: dict[str, int], shares: int, epoch: int) -> None:
    batches = Batches(shares=shares, **sizes)
    steps = batches.steps_per_epoch
    assert steps == math.ceil(sizes["samples"] / (sizes["batch_size"] * sizes["accumulate"]))
    seen = [part.rows for step in range(epoch * steps, (epoch + 1) * steps) for part in parts_of(batches, step, shares)]
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(sizes["samples"]))


@given(SIZES, st.integers(2, 6))
@settings(max_examples=150, deadline=None)
def test_many_shares_have_the_groups_of_one(sizes: dict[str, int], shares: int) -> None:
    def groups(batches: Batches, step: int, share: int) -> dict[int, list[int]]:
        return {
            group.index: part.rows[group.start : group.stop].tolist()
            for part in batches.parts(step, share)
            for group in part.groups
        }

    alone, many = Batches(**sizes), Batches(shares=shares, **sizes)
    for step in range(2 * alone.steps_per_epoch):
        found = [groups(many, step, share) for share in range(shares)]
        merged = {index: rows for share in found for index, rows in share.items()}
        assert merged == groups(alone, step, 0)
        assert sum(map(len, found)) == len(merged)
        assert max(map(len, found)) - min(map(len, found)) <= 1


def test_an_epochs_digest_is_that_of_its_order_alone() -> None:
    def digest(epoch: int = 1, **options: object) -> bytes:
        sizes: dict[str, Any] = {"samples": 90, "batch_size": 16, "group_size": 4, "seed": 7}
        return Batches(**(sizes | options)).digest(epoch)

    assert digest() == digest(shares=3) == digest(group_size=8)
    others = [{"seed": 8}, {"epoch": 2}, {"samples": 91}, {"batch_size": 17}, {"shuffle": False}, {"context": 5}]
    others += [{"lengths": np.arange(90) % 13}, {"seed": 8, "context": 5}]
    found = {digest(), *(digest(**other) for other in others)}
    assert len(found) == len(others) + 1
    assert {len(one) for one in found} == {32}


@given(SIZES, st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_a_step_is_a_slice_of_the_epochs_order_cut_into_groups(sizes: dict[str, int], shares: int) -> None:
    batches = Batches(shares=shares, **sizes)
    steps, stride = batches.steps_per_epoch, sizes["batch_size"] * sizes["accumulate"]
    for step in range(steps, 2 * steps):
        order = epoch_order(sizes["samples"], sizes["seed"], 1, sizes["shuffle"])
        wanted = order[(step - steps) * stride : (step - steps + 1) * stride]
        parts = parts_of(batches, step, shares)
        np.testing.assert_array_equal(np.concatenate([part.rows for part in parts]), wanted)
        assert batches.rows(step) == len(wanted)
        for part in parts:
            assert part.groups[0].start == 0
            assert part.groups[-1].stop == len(part.rows)
            assert all(a.stop == b.start for a, b in itertools.pairwise(part.groups))
        lengths = [group.stop - group.start for part in parts for group in part.groups]
        assert set(lengths[:-1]) <= {sizes["group_size"]}
        assert [group.index for part in parts for group in part.groups] == list(range(len(lengths)))


@given(SIZES, st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_parts_stay_within_their_limit(sizes: dict[str, int], shares: int) -> None:
    each = math.ceil(sizes["batch_size"] / shares)
    limit = math.ceil(each / sizes["group_size"]) * sizes["group_size"]
    batches = Batches(shares=shares, **sizes)
    parts = [batches.parts(step, share) for share in range(shares) for step in range(batches.steps_per_epoch)]
    lengths = [len(part.rows) for step in parts for part in step]
    assert max(lengths) == batches.largest <= limit
    assert batches.accumulates == any(len(step) > 1 for step in parts)
    if sizes["accumulate"] == 1:
        assert not batches.accumulates


def test_a_share_without_groups_has_no_parts() -> None:
    batches = Batches(samples=10, batch_size=10, group_size=32, shares=2)
    assert [len(batches.parts(0, share)) for share in (0, 1)] == [0, 1]


@given(st.integers(1, 500), st.integers(1, 64), st.integers(1, 9))
def test_owned_groups_are_contiguous_and_even(rows: int, group_size: int, shares: int) -> None:
    owned = [owned_groups(rows, group_size, shares, share) for share in range(shares)]
    assert owned[0][0] == 0
    assert owned[-1][1] == math.ceil(rows / group_size)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(owned))
    assert max(b - a for a, b in owned) - min(b - a for a, b in owned) <= 1


def test_the_order_depends_on_seed_and_epoch_and_nothing_else() -> None:
    first = epoch_order(1000, 7, 0)
    np.testing.assert_array_equal(first, epoch_order(1000, 7, 0))
    assert (first != epoch_order(1000, 7, 1)).any()
    assert (first != epoch_order(1000, 8, 0)).any()
    np.testing.assert_array_equal(epoch_order(5, 7, 3, shuffle=False), range(5))


def test_steps_can_be_asked_for_in_any_order() -> None:
    forth, back = (Batches(samples=50, batch_size=8, group_size=4, context=100) for _ in range(2))
    steps = range(3 * forth.steps_per_epoch)
    rows = [forth.parts(step)[0].rows.copy() for step in steps]
    shifts = [forth.shift(step) for step in steps]
    for step in reversed(steps):
        assert back.shift(step) == shifts[step]
        np.testing.assert_array_equal(back.parts(step)[0].rows, rows[step])


def test_stretches_of_a_text_are_shifted_by_less_than_one_from_epoch_to_epoch() -> None:
    shifts = [epoch_shift(8, 7, epoch) for epoch in range(100)]
    assert {*shifts} == {*range(8)}
    assert shifts != [epoch_shift(8, 8, epoch) for epoch in range(100)]
    sizes = {"samples": 50, "batch_size": 20, "group_size": 4, "seed": 7}
    batches = Batches(**sizes, shares=2, context=8)
    assert [batches.shift(step) for step in range(300)] == [shifts[step // 3] for step in range(300)]
    assert {Batches(**sizes).shift(step) for step in range(9)} == {0}


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"batch_size": 0}, {"shares": 0}])
def test_impossible_sizes_are_refused(wrong: dict[str, int]) -> None:
    sizes = {"samples": 10, "batch_size": 4, "group_size": 2, "shares": 2} | wrong
    with pytest.raises(ValueError, match="at least 1"):
        Batches(**sizes)


@given(st.integers(0, 300), st.integers(1, 9))
def test_evaluation_rows_cover_the_split_once(samples: int, shares: int) -> None:
    parts = [evaluation_rows(samples, shares, share) for share in range(shares)]
    assert [row for start, stop in parts for row in range(start, stop)] == list(range(samples))


@given(st.integers(1, 400), st.integers(1, 7), st.integers(0, 2**70), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_batches_of_similar_length_hold_every_sample_once(samples: int, batch: int, seed: int, epoch: int) -> None:
    lengths = np.random.default_rng(samples).integers(1, 40, samples)
    order = epoch_order(samples, seed, epoch)
    made = by_length(order, lengths, batch, seed, epoch)
    np.testing.assert_array_equal(np.sort(made), np.arange(samples))
    left = samples % batch
    np.testing.assert_array_equal(made[samples - left :], order[samples - left :])
    whole = made[: samples - left]
    for start in range(0, len(whole), 50 * batch):
        window = whole[start : start + 50 * batch]
        assert set(window) == set(order[start : start + len(window)])
        ends = sorted((lengths[one].min(), lengths[one].max()) for one in window.reshape(-1, batch))
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(ends))
    place = np.argsort(order)
    assert all((np.diff(place[one]) > 0).all() for one in whole.reshape(-1, batch))


def test_batches_of_similar_length_have_little_padding_and_are_not_in_the_order_of_length() -> None:
    lengths = np.random.default_rng(1).integers(1, 200, 3000)
    sizes = {"samples": 3000, "batch_size": 32, "group_size": 16, "seed": 5}
    plain, alike = Batches(**sizes), Batches(**sizes, lengths=lengths)
    assert padding_share(plain.order(0), lengths, 32) > 0.4
    assert padding_share(alike.order(0), lengths, 32) < 0.1
    sums = [lengths[alike.whole(step)].sum() for step in range(alike.steps_per_epoch)]
    assert abs(np.corrcoef(sums, np.arange(len(sums)))[0, 1]) < 0.3
    assert not np.array_equal(alike.order(0), alike.order(1))
    again = Batches(**sizes, shares=2, lengths=lengths)
    np.testing.assert_array_equal(again.whole(7), alike.whole(7))


def test_the_share_of_padding_is_that_of_the_batches() -> None:
    lengths = np.array([3, 8, 9, 1])
    assert padding_share(np.arange(4), lengths, 2) == pytest.approx(1 - 21 / (16 + 32))
    assert padding_share(np.arange(4), lengths, 3) == pytest.approx(1 - 21 / (48 + 8))
