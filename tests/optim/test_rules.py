from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dist_bp import components
from dist_bp.optim import Rule, Slice
from dist_bp.optim.rules.lion import Lion
from dist_bp.optim.rules.sgd import Sgd
from tests.optim.references import PAIRS, RULES, Element, Reference

SIZE, STEPS, RATE = 23, 25, 0.03
TOLERANCE = {"float32": 5e-6, "float64": 1e-13}


def gradients(dtype: str, size: int = SIZE) -> np.ndarray:
    grads = np.random.default_rng(5).standard_normal((STEPS, size)).astype(dtype)
    grads[:, 0] = 0.0
    return grads


def run(rule: Rule, params: np.ndarray, grads: np.ndarray, cuts: list[int]) -> dict[str, np.ndarray]:
    """Trains `params` in place, chunk by chunk between the cuts; returns the whole state."""
    state = rule.init(len(params), params.dtype)
    bounds = [0, *cuts, len(params)]
    for step, grad in enumerate(grads, start=1):
        for start, stop in pairwise(bounds):
            part = Slice(params[start:stop], {name: array[start:stop] for name, array in state.items()})
            scratch = np.full((2, stop - start), np.nan, params.dtype)
            rule.update(part, part, grad[start:stop].copy(), step, RATE / step, scratch)
    return state


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rule", "reference"), RULES)
def test_follows_the_textbook_formula(rule: Rule, reference: Reference, dtype: str) -> None:
    params = np.linspace(-2, 2, SIZE).astype(dtype)
    grads = gradients(dtype)
    elements = [Element(float(p)) for p in params]
    for step, grad in enumerate(grads, start=1):
        for element, g in zip(elements, grad, strict=True):
            reference(element, float(g), step, RATE / step)
    state = run(rule, params, grads, [])
    np.testing.assert_allclose(params, [e.p for e in elements], rtol=0, atol=TOLERANCE[dtype])
    assert params.dtype == dtype
    assert all(array.dtype == dtype for array in state.values())


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 206), unique=True, max_size=6), st.sampled_from(["float32", "float64"]))
def test_chunks_give_the_same_bits_as_the_whole(cuts: list[int], dtype: str) -> None:
    grads = gradients(dtype, 207)
    for rule, _ in PAIRS:
        whole, chunked = (np.linspace(-2, 2, 207).astype(dtype) for _ in range(2))
        whole_state = run(rule, whole, grads, [])
        chunked_state = run(rule, chunked, grads, sorted(cuts))
        assert whole.tobytes() == chunked.tobytes()
        assert all(whole_state[name].tobytes() == chunked_state[name].tobytes() for name in rule.slots)


@pytest.mark.parametrize(("rule", "reference"), RULES)
def test_a_new_version_beside_the_old_has_the_bits_of_one_in_place(rule: Rule, reference: Reference) -> None:
    params = np.linspace(-2, 2, SIZE).astype("float32")
    in_place = params.copy()
    wanted = run(rule, in_place, gradients("float32"), [])
    old = Slice(params, rule.init(SIZE, "float32"))
    for step, grad in enumerate(gradients("float32"), start=1):
        new = Slice(np.full_like(params, np.nan), {name: np.full_like(params, np.nan) for name in rule.slots})
        kept = old.params.tobytes(), {name: array.tobytes() for name, array in old.state.items()}
        rule.update(old, new, grad.copy(), step, RATE / step, np.empty((2, SIZE), "float32"))
        assert kept == (old.params.tobytes(), {name: array.tobytes() for name, array in old.state.items()})
        old = new
    assert old.params.tobytes() == in_place.tobytes()
    assert all(old.state[name].tobytes() == wanted[name].tobytes() for name in rule.slots)


@pytest.mark.parametrize(("rule", "reference"), RULES)
def test_a_weight_without_gradient_stays(rule: Rule, reference: Reference) -> None:
    params = np.array([0.5, -0.5], "float32")
    run(rule, params, np.zeros((STEPS, 2), "float32"), [])
    assert params.tolist() == [0.5, -0.5]


@pytest.mark.parametrize(
    "rule", [*(rule for rule, _ in PAIRS), *(kind() for kind in components.RULES.classes().values())], ids=str
)
def test_a_rule_that_leaves_rows_changes_nothing_of_those_without_gradient(rule: Rule) -> None:
    """Parameters and state after some steps with gradients."""
    before = np.array([0.5, -0.5], "float32")
    state = run(rule, before, np.ones((3, 2), "float32"), [])
    after = Slice(before.copy(), {name: array.copy() for name, array in state.items()})
    rule.update(after, after, np.zeros(2, "float32"), 4, RATE, np.zeros((2, 2), "float32"))
    same = [(before, after.params), *((state[name], after.state[name]) for name in rule.slots)]
    assert all(one.tobytes() == other.tobytes() for one, other in same) == rule.leaves_rows


@pytest.mark.parametrize(("rule", "reference"), RULES)
def test_state_is_named_by_the_slots(rule: Rule, reference: Reference) -> None:
    state = rule.init(4, "float32")
    assert tuple(state) == rule.slots
    assert all(array.shape == (4,) and array.dtype == "float32" and not array.any() for array in state.values())


def test_plain_gradient_descent_keeps_no_state() -> None:
    assert Sgd(learning_rate=1.0).slots == ()
    assert Sgd(learning_rate=1.0, momentum=0.9).slots == ("momentum",)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lion_moves_by_exactly_the_learning_rate(dtype: str) -> None:
    grads = np.array([1e-20, -1e-25, 1.0, -1e18, 0.0], dtype)
    params, rule = np.zeros(5, dtype), Lion(learning_rate=1.0)
    whole = Slice(params, rule.init(5, dtype))
    rule.update(whole, whole, grads, 1, 0.125, np.empty((2, 5), dtype))
    assert params.tolist() == [-0.125, 0.125, -0.125, 0.125, 0.0]
