"""Recurrent layers beside plain loops over one sequence at a time, and what holds for different lengths."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from dist_bp.errors import ShapeError
from dist_bp.nn import Gradients, Layer, Model, Ragged
from dist_bp.nn.layers.gru import Gru
from dist_bp.nn.layers.lstm import Lstm
from dist_bp.nn.layers.rnn import Rnn
from dist_bp.signals import Field, Signal
from dist_bp.types import Array
from tests.allocation import takes_less
from tests.nn.helpers import normal

LAYERS = [Rnn, Gru, Lstm]
EVERY = pytest.mark.parametrize("make", LAYERS, ids=["rnn", "gru", "lstm"])
LENGTHS = np.array([3, 8, 0, 1, 6, 8, 2])
X = normal((len(LENGTHS), 8, 3))


class Net:
    """A model of one layer over sequences, its parameters off their start."""

    def __init__(self, layer: Layer, ragged: bool = True, dtype: Any = "float64") -> None:
        field = Field((3,), ragged=True) if ragged else Field((8, 3))
        self.model = Model([layer], field, dtype)
        self.vector, _ = self.model.initialize(1)
        self.vector += (0.3 * normal(self.vector.shape, 2)).astype(dtype)
        self.params = self.model.layout.views(self.vector)
        self.gradient = np.full_like(self.vector, np.nan)
        self.grads = Gradients(self.model.layout.views(self.gradient))
        self.ctx = self.model.context(0, needs_input_grad=True)

    def forward(self, x: Signal) -> tuple[Signal, Callable[[Array], Array]]:
        self.ctx.begin(training=True)
        y, backward = self.model.forward(x, self.params, self.ctx)

        def back(dy: Array) -> Array:
            self.grads.begin()
            dx: Array = backward(dy, self.grads)
            self.grads.end()
            return dx

        return y, back


def logistic(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def next_state(kind: str, x: Array, state: tuple[Array, Array], p: Mapping[str, Array]) -> tuple[Array, Array]:
    """(h, c) after one position."""
    h, c = state
    if kind == "rnn":
        return np.tanh(x @ p["weight"] + h @ p["recurrent"] + p["bias"]), c
    if kind == "lstm":
        o, i, f, g = np.split(x @ p["weight"] + h @ p["recurrent"] + p["bias"], 4)
        c = logistic(f) * c + logistic(i) * np.tanh(g)
        return logistic(o) * np.tanh(c), c
    a, b = x @ p["weight"] + p["bias"], h @ p["recurrent"]
    (a_r, a_z, a_n), (b_r, b_z, b_n) = np.split(a, 3), np.split(b, 3)
    z = logistic(a_z + b_z)
    n = np.tanh(a_n + logistic(a_r + b_r) * (b_n + p["inner_bias"]))
    return (1 - z) * n + z * h, c


def states(kind: str, x: Array, p: Mapping[str, Array]) -> list[Array]:
    """h after each position of one sequence."""
    zero = np.zeros(len(p["recurrent"]))
    state, found = (zero, zero), []
    for position in x:
        state = next_state(kind, position, state, p)
        found.append(state[0])
    return found


def reference(layer: Any, x: Sequence[Array], params: Mapping[str, Any]) -> Array:
    """The layer over sequences of 3 numbers a position, one after another; zeros beyond a sequence's end."""
    width = layer.units * (1 + layer.bidirectional)
    y = np.zeros((len(x), 8, width)) if layer.states == "all" else np.zeros((len(x), width))
    for sequence, out in zip(x, y, strict=True):
        below, last = sequence, np.zeros(width)
        for number in range(layer.layers):
            own = params[str(number)]
            if layer.bidirectional:
                there = states(layer.kind, below, own["forward"])
                back = states(layer.kind, below[::-1], own["backward"])
                ends = (there, back)
                below = np.array([np.concatenate(pair) for pair in zip(there, back[::-1], strict=True)])
            else:
                ends = (states(layer.kind, below, own),)
                below = np.array(ends[0])
            last = np.concatenate([end[-1] for end in ends]) if len(sequence) else last
        if layer.states == "last":
            out[:] = last
        else:
            out[: len(sequence)] = below.reshape(-1, width)
    return y


@EVERY
@pytest.mark.parametrize("states", ["all", "last"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_states_are_those_of_a_loop_over_each_sequence(
    make: Any, layers: int, bidirectional: bool, states: Any
) -> None:
    layer = make(4, layers=layers, bidirectional=bidirectional, states=states)
    net = Net(layer)
    found, _ = net.forward(Ragged(X, LENGTHS))
    y = found.values if isinstance(found, Ragged) else found
    expected = reference(layer, [x[:length] for x, length in zip(X, LENGTHS, strict=True)], net.params)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14)
    assert isinstance(found, Ragged) == (states == "all")
    if bidirectional:
        return
    one_length = Net(layer, ragged=False)
    np.testing.assert_allclose(one_length.forward(X)[0], reference(layer, list(X), net.params), rtol=1e-12, atol=1e-14)


@EVERY
def test_what_lies_beyond_a_sequence_changes_no_bit(make: Any) -> None:
    net = Net(make(4, bidirectional=True))
    first, back = net.forward(Ragged(X, LENGTHS))
    dy = normal(first.values.shape, 5)
    for row, length in zip(dy, LENGTHS, strict=True):
        row[length:] = 0
    kept, dx, gradient = first.values.copy(), back(dy.copy()).copy(), net.gradient.copy()
    other = X.copy()
    for row, length in zip(other, LENGTHS, strict=True):
        row[length:] = 1e30
    assert not any(row[length:].any() for row, length in zip(dx, LENGTHS, strict=True))
    second, back = net.forward(Ragged(other, LENGTHS))
    np.testing.assert_array_equal(second.values, kept)
    np.testing.assert_array_equal(back(dy), dx)
    np.testing.assert_array_equal(net.gradient, gradient)


@EVERY
@pytest.mark.parametrize("lengths", [[], [0, 0]])
def test_no_positions_at_all(make: Any, lengths: list[int]) -> None:
    net = Net(make(4, states="last"))
    y, back = net.forward(Ragged(X[: len(lengths)], np.array(lengths, np.int64)))
    np.testing.assert_array_equal(y, np.zeros((len(lengths), 4)))
    assert not back(np.ones_like(y)).any()
    assert not net.gradient.any()


@EVERY
def test_huge_weights_overflow_nowhere(make: Any) -> None:
    net = Net(make(4), dtype="float32")
    net.vector *= 1e6
    y, back = net.forward(Ragged(X.astype(np.float32), LENGTHS))
    assert np.isfinite(y.values).all()
    assert np.isfinite(back(np.ones_like(y.values))).all()


@EVERY
def test_no_array_is_allocated_after_the_first_step(make: Any) -> None:
    n, longest = 32, 64
    x, lengths = normal((n, longest, 3), dtype="float32"), np.arange(n) + longest - n

    def prepare() -> Callable[[], object]:
        net = Net(make(64, layers=2, bidirectional=True), dtype="float32")

        def step(x: Array, lengths: Array) -> None:
            y, back = net.forward(Ragged(x, lengths))
            back(y.values)

        step(x, lengths)
        step(x[1:], lengths[1:])
        return partial(step, x, lengths)

    states = 4 * 64 * int(lengths.sum())
    assert takes_less(states // 2, prepare)


def test_how_weights_begin() -> None:
    """The hidden weights of each gate are a rotation, those of the input are drawn as if the gate stood alone."""
    model = Model([Lstm(64)], Field((32,), ragged=True), "float64")
    params = model.layout.views(model.initialize(1)[0])["0"]
    for gate in np.split(params["recurrent"], 4, axis=1):
        np.testing.assert_allclose(gate.T @ gate, np.eye(64), atol=1e-12)
    limit = np.sqrt(6 / (32 + 64))
    assert 0.99 * limit < np.abs(params["weight"]).max() <= limit
    np.testing.assert_array_equal(params["bias"].reshape(4, 64).T, np.tile([0.0, 0.0, 1.0, 0.0], (64, 1)))
    assert len({gate.tobytes() for gate in np.split(params["recurrent"], 4, axis=1)}) == 4


def test_several_layers_are_as_many_in_the_summary() -> None:
    model = Model([Gru(5, layers=3, bidirectional=True, states="last")], Field((3,), ragged=True))
    assert [(row.kind, str(row.output)) for row in model.summary()] == [
        ("gru", "any x 10"), ("gru", "any x 10"), ("gru", "10"),
    ]  # fmt: skip


@EVERY
@pytest.mark.parametrize("field", [Field((4,)), Field((4, 3, 2)), Field((4, 3), ragged=True)])
def test_what_is_no_sequence_is_refused(make: Any, field: Field) -> None:
    with pytest.raises(ShapeError, match=r"takes samples of shape \(positions, channels\)"):
        Model([make(4)], field)
