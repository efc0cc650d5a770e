import math
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from dist_bp.optim import Rule, Slice, Updater
from dist_bp.optim.rules.adam import Adam
from dist_bp.optim.rules.lion import Lion
from dist_bp.optim.rules.rmsprop import RmsProp
from dist_bp.optim.rules.sgd import Sgd
from dist_bp.optim.updater import BLOCK
from dist_bp.types import Array
from tests.allocation import takes_less
from tests.optim.references import RULES, Element, Reference

SIZE, STEPS, RATE, DECAYED = 31, 25, 0.03, ((3, 9), (9, 12), (20, 31))
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


def train(
    updater: Updater, params: np.ndarray, grads: np.ndarray, count: int, cuts: list[int]
) -> dict[str, np.ndarray]:
    """Trains `params` in place as the servers do, chunk by chunk; returns the whole state."""
    state = updater.rule.init(len(params), params.dtype)
    bounds = [0, *cuts, len(params)]
    chunks = list(pairwise(bounds))
    for step, total in enumerate(grads, start=1):
        grad = total.copy()
        squares = [updater.prepare(grad[start:stop], 1 / count) for start, stop in chunks]
        factor = updater.clip_factor(math.sqrt(math.fsum(squares)))
        for start, stop in chunks:
            part = Slice(params[start:stop], {name: array[start:stop] for name, array in state.items()})
            scratch = np.full((2, stop - start), np.nan, params.dtype)
            updater.apply(part, part, grad[start:stop], start, step, RATE, factor, scratch)
    return state


def expected(updater: Updater, reference: Reference, params: np.ndarray, grads: np.ndarray, count: int) -> list[float]:
    elements = [Element(float(p)) for p in params]
    for step, total in enumerate(grads, start=1):
        grad = [float(g) / count for g in total]
        if updater.clip_value is not None:
            grad = [min(max(g, -updater.clip_value), updater.clip_value) for g in grad]
        if updater.clip_norm is not None:
            norm = math.sqrt(sum(g * g for g in grad))
            grad = [g * min(1.0, updater.clip_norm / norm) for g in grad]
        for i, (e, g) in enumerate(zip(elements, grad, strict=True)):
            if any(start <= i < stop for start, stop in updater.decayed):
                if updater.rule.decoupled:
                    e.p -= RATE * updater.rule.weight_decay * e.p
                else:
                    g += updater.rule.weight_decay * e.p
            reference(e, g, step, RATE)
    return [e.p for e in elements]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("clips", [{}, {"clip_value": 0.7}, {"clip_norm": 2.0}, {"clip_value": 0.7, "clip_norm": 2.0}])
@pytest.mark.parametrize(("rule", "reference"), RULES)
def test_decay_and_clipping_follow_the_definition(
    rule: Rule, reference: Reference, clips: dict[str, float], decoupled: bool, dtype: str
) -> None:
    updater = Updater(replace(rule, weight_decay=0.1, decoupled=decoupled), decayed=DECAYED, **clips)
    params = np.linspace(-2, 2, SIZE).astype(dtype)
    grads = np.random.default_rng(7).normal(0, 8, (STEPS, SIZE)).astype(dtype)
    wanted = expected(updater, reference, params, grads, count=8)
    train(updater, params, grads, 8, [])
    np.testing.assert_allclose(params, wanted, rtol=0, atol=TOLERANCE[dtype])
    assert params.dtype == dtype


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, SIZE - 1), unique=True, max_size=4), st.booleans())
def test_chunks_give_the_same_bits_as_the_whole(cuts: list[int], decoupled: bool) -> None:
    for rule in (
        Sgd(learning_rate=1.0, momentum=0.9),
        Adam(learning_rate=1.0),
        RmsProp(learning_rate=1.0),
        Lion(learning_rate=1.0),
    ):
        updater = Updater(replace(rule, weight_decay=0.1, decoupled=decoupled), clip_value=0.5, decayed=DECAYED)
        grads = np.random.default_rng(7).standard_normal((STEPS, SIZE)).astype("float32")
        whole, chunked = (np.linspace(-2, 2, SIZE).astype("float32") for _ in range(2))
        whole_state = train(updater, whole, grads, 4, [])
        chunked_state = train(updater, chunked, grads, 4, sorted(cuts))
        assert whole.tobytes() == chunked.tobytes()
        assert all(whole_state[name].tobytes() == chunked_state[name].tobytes() for name in rule.slots)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, SIZE - 1), unique=True, max_size=4))
def test_norm_clipping_is_exact_over_slices(cuts: list[int]) -> None:
    updater = Updater(Sgd(learning_rate=1.0), clip_norm=0.25)
    params = np.zeros(SIZE)
    train(updater, params, np.random.default_rng(7).standard_normal((1, SIZE)), 1, sorted(cuts))
    assert np.linalg.norm(params) == pytest.approx(RATE * 0.25, rel=1e-14)


def test_a_small_gradient_is_not_clipped() -> None:
    updater = Updater(Sgd(learning_rate=1.0), clip_norm=2.0)
    assert updater.clip_factor(0.0) == 1.0
    assert updater.clip_factor(2.0) == 1.0
    assert updater.clip_factor(8.0) == 0.25
    assert Updater(Sgd(learning_rate=1.0)).clip_factor(1e9) == 1.0


def test_prepare_averages_clips_and_measures() -> None:
    grads = np.array([4.0, -8.0, 1.0], "float32")
    squares = Updater(Sgd(learning_rate=1.0), clip_value=1.5).prepare(grads, 0.25)
    assert grads.tolist() == [1.0, -1.5, 0.25]
    assert isinstance(squares, float)
    assert squares == 1.0 + 2.25 + 0.0625


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_shows_in_the_squares(bad: float) -> None:
    grads = np.array([1.0, bad, 2.0], "float32")
    assert not math.isfinite(Updater(Sgd(learning_rate=1.0)).prepare(grads, 0.5))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_squares_do_not_depend_on_threads_or_alignment(dtype: str) -> None:
    values = np.random.default_rng(3).standard_normal(32768).astype(dtype)
    memory = np.empty(32768 + 8, dtype)
    seen = set()
    for threads in (1, 2, 4):
        for offset in range(8):
            grads = memory[offset : offset + 32768]
            grads[:] = values
            with threadpool_limits(threads):
                seen.add(Updater(Sgd(learning_rate=1.0)).prepare(grads, 1.0))
    assert len(seen) == 1
    assert seen.pop() == pytest.approx(math.fsum((values.astype(float) ** 2).tolist()), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_squares_of_blocks_do_not_depend_on_where_chunks_are_cut(dtype: str) -> None:
    values, updater = (
        np.random.default_rng(3).standard_normal(8 * BLOCK + 7).astype(dtype),
        Updater(Sgd(learning_rate=1.0)),
    )
    scratch, seen = np.empty_like(values), set()
    for cut in range(9):
        squares = np.full(9, np.nan)
        for first, stop in ((0, cut), (cut, 9)):
            own = slice(first * BLOCK, stop * BLOCK)
            updater.prepare_blocks(values[own].copy(), 1.0, squares[first:stop], scratch[own])
        seen.add(squares.tobytes())
    assert len(seen) == 1
    assert math.fsum(squares.tolist()) == pytest.approx(math.fsum((values.astype(float) ** 2).tolist()), rel=1e-6)


def test_updates_are_the_same_on_any_processor() -> None:
    """Nodes that exchange in one round each compute the whole update, with the norm that clips it."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    digests = {
        digest_of_updates(processor)
        for processor in ({}, {"OPENBLAS_CORETYPE": "Nehalem"}, {"NPY_DISABLE_CPU_FEATURES": " ".join(found)})
    }
    assert len(digests) == 1


def digest_of_updates(processor: Mapping[str, str]) -> str:
    """With instructions that libraries choose on such a processor."""
    command, root = [sys.executable, "-m", "tests.optim.updates"], Path(__file__).parents[2]
    done = subprocess.run(command, env=os.environ | processor, cwd=root, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Keep(Rule):
    """Changes nothing."""

    slots = ("kept",)

    def update(self, old: Slice, new: Slice, grads: Array, step: int, learning_rate: float, scratch: Array) -> None:
        pass


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_subnormal_state_is_flushed_every_128_steps(dtype: str) -> None:
    normal = float(np.finfo(dtype).smallest_normal)
    values = np.array([normal / 2, -normal / 2, normal, -normal, 1.0, np.nan, 0.0], dtype)
    updater = Updater(Keep(learning_rate=1.0))
    kept = {}
    for step in (64, 127, 128, 129, 256):
        part = Slice(np.zeros(7, dtype), {"kept": values.copy()})
        updater.apply(part, part, np.zeros(7, dtype), 0, step, 0.1, 1.0, np.empty((2, 7), dtype))
        kept[step] = part.state["kept"].tobytes()
    flushed = np.array([0.0, 0.0, normal, -normal, 1.0, np.nan, 0.0], dtype)
    assert kept[64] == kept[127] == kept[129] == values.tobytes()
    assert kept[128] == kept[256] == flushed.tobytes()


def test_momentum_of_a_dead_weight_ends_at_zero() -> None:
    updater, params, state = (
        Updater(Sgd(learning_rate=1.0, momentum=0.9)),
        np.zeros(2, "float32"),
        {"momentum": np.ones(2, "float32")},
    )
    for step in range(1, 1025):
        grads = np.array([0.0, 1.0], "float32")
        part = Slice(params, state)
        updater.apply(part, part, grads, 0, step, 0.1, 1.0, np.empty((2, 2), "float32"))
    assert state["momentum"][0] == 0.0
    assert state["momentum"][1] == pytest.approx(10.0, rel=1e-6)


@pytest.mark.parametrize(("rule", "reference"), RULES)
def test_a_step_allocates_no_array(rule: Rule, reference: Reference) -> None:
    size = 32768
    updater = Updater(replace(rule, weight_decay=0.1), clip_value=0.5, clip_norm=1.0, decayed=((0, 100), (200, size)))
    params, grads, scratch, squares = np.ones(size), np.ones(size), np.empty((2, size)), np.empty(size // BLOCK)
    part = Slice(params, rule.init(size, params.dtype))

    def step() -> None:
        factor = updater.clip_factor(math.sqrt(updater.prepare_blocks(grads, 0.5, squares, scratch[0])))
        updater.apply(part, part, grads, 0, 128, RATE, factor, scratch)

    assert takes_less(size, lambda: step)


def test_travels_between_processes() -> None:
    updater = Updater(Adam(learning_rate=1.0, weight_decay=0.1), decayed=DECAYED, clip_norm=1.0)
    train(updater, np.zeros(SIZE), np.ones((1, SIZE)), 1, [7])
    assert pickle.loads(pickle.dumps(updater)) == updater
