import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.nn import Context, Gradients, Group


def test_buffers_keep_their_memory() -> None:
    ctx = Context.root("float32")
    whole = ctx.buffer("y", (5, 2))
    whole[:] = 1.0
    part = ctx.buffer("y", (3, 2))
    assert np.shares_memory(whole, part)
    assert ctx.buffer("y", (5, 2)).ctypes.data == whole.ctypes.data
    assert ctx.buffer("y", (3, 2)).all()
    assert whole.dtype == np.float32
    assert whole.ctypes.data % 64 == 0
    assert not np.shares_memory(whole, ctx.buffer("z", (5, 2)))
    assert not np.shares_memory(whole, ctx.child("0").buffer("y", (5, 2)))


def test_buffers_grow() -> None:
    ctx = Context.root("float64")
    ctx.buffer("y", (2, 3))
    assert ctx.buffer("y", (9, 3)).shape == (9, 3)
    assert ctx.buffer("y", (9, 4)).shape == (9, 4)
    assert ctx.buffer("y", (0, 4)).shape == (0, 4)
    assert ctx.buffer("labels", (2,), np.int64).dtype == np.int64


def test_new_memory_is_filled_once() -> None:
    calls = []

    def fill(array: np.ndarray) -> None:
        calls.append(len(array))
        array[:] = np.arange(len(array))

    ctx = Context.root("float64")
    for rows in (3, 2, 5, 4):
        np.testing.assert_array_equal(ctx.buffer("n", (rows,), np.int64, fill), np.arange(rows))
    assert calls == [3, 5]


def test_children_share_the_step() -> None:
    root = Context.root("float64", seed=9, needs_input_grad=True)
    leaf = root.child("2").child("layers", needs_input_grad=False)
    assert root.child("2").child("layers") is leaf
    assert not leaf.needs_input_grad
    groups = [Group(3, 0, 4)]
    mean, total = np.zeros(2), np.ones(2)
    root.begin(
        training=True,
        step=8,
        groups=groups,
        statistics={"2": {"layers": {"mean": mean}}},
        sums=Gradients({"2": {"layers": {"mean": total}}}),
    )
    assert (leaf.training, leaf.step, leaf.groups, leaf.seed) == (True, 8, groups, 9)
    assert leaf.statistics["mean"] is mean
    assert leaf.sums.into("mean") is total
    root.begin(training=False)
    assert (leaf.training, leaf.groups, list(leaf.equal_groups)) == (False, (), [])


def draw(seed: int, path: str, step: int, group: int) -> float:
    ctx = Context.root("float64", seed)
    ctx.begin(training=True, step=step)
    return float(ctx.child(path).generator(group).random())


def test_generators_are_told_apart_by_seed_layer_step_and_group() -> None:
    keys = [(s, p, t, g) for s in (0, 1) for p in ("0", "1", "01") for t in (0, 1, 5) for g in (0, 1, 5)]
    assert len({draw(*key) for key in keys}) == len(keys)
    assert draw(1, "0", 5, 1) == draw(1, "0", 5, 1)


def test_generators_begin_anew() -> None:
    ctx = Context.root("float32", 1)
    first = ctx.generator(2).random(5, np.float32).tolist()
    ctx.generator(3).random(7, np.float32)
    assert ctx.generator(2).random(5, np.float32).tolist() == first


@given(sizes=st.lists(st.integers(1, 3), max_size=8))
def test_runs_cover_the_groups(sizes: list[int]) -> None:
    stops = np.cumsum(sizes).tolist()
    ctx = Context.root("float64")
    ctx.begin(
        training=True,
        groups=[Group(i, stop - size, stop) for i, (size, stop) in enumerate(zip(sizes, stops, strict=True))],
    )
    seen = [
        (equal.groups.start + i, equal.rows.start + i * equal.shape[1], equal.shape[1])
        for equal in ctx.equal_groups
        for i in range(equal.shape[0])
    ]
    assert seen == [(i, stop - size, size) for i, (size, stop) in enumerate(zip(sizes, stops, strict=True))]
    neighbours = zip(ctx.equal_groups, list(ctx.equal_groups)[1:], strict=False)
    assert all(left.shape[1] != right.shape[1] for left, right in neighbours)


def test_a_layer_without_statistics_has_none() -> None:
    ctx = Context.root("float64")
    ctx.begin(training=True)
    with pytest.raises(KeyError):
        ctx.child("0").sums.into("mean")


def test_scratch_is_the_same_memory_for_all_layers() -> None:
    ctx = Context.root("float32")
    one, other = ctx.child("0").child("a").scratch("x", (3, 4)), ctx.child("1").scratch("x", (2, 5))
    assert np.shares_memory(one, other)
    assert not np.shares_memory(one, ctx.child("1").scratch("y", (2, 5)))
    assert not np.shares_memory(one, ctx.child("scratch").buffer("x", (3, 4)))
    assert not np.shares_memory(one, Context.root("float32").scratch("x", (3, 4)))


def test_what_came_before_is_continued() -> None:
    ctx = Context.root("float64")
    whole, found = np.arange(24.0).reshape(2, 6, 2), np.empty(0)
    for again in range(2):  # anew from the beginning
        before = found
        for start, stop in ((0, 1), (1, 2), (2, 6)):
            ctx.begin(training=False, past=start)
            found = ctx.continued("keys", whole[:, start:stop], axis=1)
            np.testing.assert_array_equal(found, whole[:, :stop])
            assert not again or np.shares_memory(found, before)
    for name, past, rows in (("other", 4, 2), ("keys", 4, 1), ("keys", 40, 2)):
        ctx.begin(training=False, past=past)
        with pytest.raises(ValueError, match=f"the {past} positions before have not been there"):
            ctx.continued(name, whole[:rows, :1], axis=1)
