"""Whatever asks twice for a gradient in a step, it is added up; what nobody writes is 0."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.errors import ShapeError
from dist_bp.nn import (
    Backward,
    Context,
    Declaration,
    Field,
    Gradients,
    Layer,
    Layout,
    Parameter,
    Views,
    check_gradients,
)
from dist_bp.nn.initializers import Constant
from dist_bp.nn.touched import TouchedRows
from dist_bp.types import Array
from tests.nn.helpers import normal


def gradients() -> tuple[Array, Gradients]:
    vector = np.full(9, np.nan)
    layout = Layout([("0.weight", (2, 2)), ("0.bias", (2,)), ("1.inner.gain", (3,))])
    return vector, Gradients(layout.views(vector))


def test_the_first_use_is_the_place_itself() -> None:
    vector, grads = gradients()
    grads.begin()
    assert np.shares_memory(grads.child("0").into("weight"), vector)
    assert not np.shares_memory(grads.child("0").into("weight"), vector)
    grads.begin()
    assert np.shares_memory(grads.child("0").into("weight"), vector)


@pytest.mark.parametrize("times", [1, 2, 5])
def test_what_is_written_is_added_up(times: int) -> None:
    vector, grads = gradients()
    for _ in range(2):  # a second step begins anew
        grads.begin()
        for use in range(times):
            weight, bias = grads.child("0").into("weight"), grads.child("0").into("bias")
            bias[:] = [use, 10.0]
            weight[:] = use + 1
        grads.end()
        np.testing.assert_array_equal(vector[:4], sum(range(1, times + 1)))
        np.testing.assert_array_equal(vector[4:6], [sum(range(times)), 10 * times])
        np.testing.assert_array_equal(vector[6:], 0)


def test_nothing_written_is_zero() -> None:
    vector, grads = gradients()
    grads.begin()
    grads.end()
    np.testing.assert_array_equal(vector, 0)


def test_rows_are_added_where_they_belong() -> None:
    vector, grads = gradients()
    grads.begin()
    weight = grads.child("0")
    weight.rows("weight", np.array([1, 1, 0]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    weight.rows("weight", np.array([0]), np.array([[1.0, 1.0]]))
    np.copyto(weight.into("weight"), 100.0)
    grads.end()
    np.testing.assert_array_equal(vector[:4].reshape(2, 2), [[106, 107], [104, 106]])


ROWS = 9
IDS = st.lists(st.integers(0, ROWS - 1), max_size=8)


@given(st.lists(st.lists(st.one_of(IDS, st.none()), max_size=4), min_size=1, max_size=4), st.integers(0, 2**32))
def test_a_table_holds_what_is_written_in_the_rows_that_it_tells(
    steps: list[list[list[int] | None]], seed: int
) -> None:
    """Rows (a list of them) and whole gradients (None) in any order, over several steps, beside plain sums."""
    random = np.random.default_rng(seed)
    vector = np.full(2 * ROWS, np.nan)
    table = TouchedRows(np.zeros(1 + ROWS, np.int64))
    grads = Gradients({"0": {"table": vector.reshape(ROWS, 2)}}, {"0": {"table": table}})
    for step in steps:
        expected, touched = np.zeros((ROWS, 2)), set()
        grads.begin()
        for ids in step:
            dy = random.integers(-9, 9, (ROWS if ids is None else len(ids), 2)).astype(float)
            if ids is None:
                grads.child("0").into("table")[:] = dy
            else:
                grads.child("0").rows("table", np.array(ids, int), dy)
            np.add.at(expected, slice(None) if ids is None else ids, dy)
            touched |= set(range(ROWS) if ids is None else ids)
        grads.end()
        assert (table.ids is None) == (None in step)
        told = np.arange(ROWS) if table.ids is None else table.ids
        assert told.tolist() == sorted(touched)
        np.testing.assert_array_equal(vector.reshape(ROWS, 2)[told], expected[told])


def test_rows_that_no_sample_touches_are_not_even_read() -> None:
    """Those of a step before stay where they are, whatever they hold."""
    vector = np.array([1.0, np.nan, 3.0])
    table = TouchedRows(np.zeros(4, np.int64))
    grads = Gradients({"table": vector.reshape(3, 1)}, {"table": table})
    grads.begin()
    grads.rows("table", np.array([2, 2]), np.array([[5.0], [6.0]]))
    grads.end()
    np.testing.assert_array_equal(vector, [1.0, np.nan, 11.0])
    grads.begin()
    grads.end()
    assert table.ids is not None
    assert not len(table.ids)
    np.testing.assert_array_equal(vector, [1.0, np.nan, 11.0])


def test_a_table_takes_no_weight_decay() -> None:
    with pytest.raises(ShapeError, match="declare it decay=False"):
        Parameter((3, 2), Constant(0.0), rows=True)


class Tied(Layer):
    """y = tanh(x @ w) @ w.T: one parameter at two places."""

    def declare(self, spec: Field) -> Declaration:
        return Declaration(spec, {"w": Parameter((spec.shape[0], 3), Constant(0.5))})

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        w = params["w"]
        hidden = np.tanh(x @ w)

        def backward(dy: Array, grads: Gradients) -> Array:
            np.matmul(dy.T, hidden, out=grads.into("w"))
            d_hidden = (dy @ w) * (1 - hidden**2)
            np.matmul(x.T, d_hidden, out=grads.into("w"))
            return d_hidden @ w.T

        return hidden @ w.T, backward


def test_a_tied_parameter() -> None:
    assert check_gradients([Tied(), Tied()], normal((5, 4))) < 1e-6
