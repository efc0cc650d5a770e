"""What every layer promises, a row or more for each: right gradients for every option, ragged or not, and shares that
add up to the whole."""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from dist_bp.component import options
from dist_bp.components import LAYERS
from dist_bp.config.component import Of, construct
from dist_bp.errors import ShapeError
from dist_bp.nn import (
    ACTIVATIONS,
    Context,
    Decoder,
    Gradients,
    Group,
    Layer,
    Model,
    Ragged,
    Sequential,
    Views,
    check_gradients,
)
from dist_bp.nn.gradient_check import spec_of
from dist_bp.nn.layers.attention import Attention
from dist_bp.nn.layers.embedding import Embedding
from dist_bp.signals import Signal, Spec
from dist_bp.types import Array
from tests.nn.helpers import away_from_zero

SAMPLES, LENGTHS = 7, np.array([3, 0, 5, 2, 1, 4, 5])
GROUPS = [Group(0, 0, 3), Group(1, 3, 6), Group(2, 6, 7)]


def numbers(*shape: int) -> Array:
    return away_from_zero((SAMPLES, *shape), seed=1)


def ids(*shape: int) -> Array:
    """0 to 4, all of them."""
    values = np.random.default_rng(2).integers(0, 5, (SAMPLES, *shape))
    values.flat[:5] = range(5)
    return values


def dense(units: int, **more: Any) -> dict[str, Any]:
    return {"type": "dense", "units": units, "activation": "tanh", **more}


IMAGES, SMALL = numbers(5, 4, 2), numbers(4, 4, 1)
ROWS: dict[str, list[tuple[dict[str, Any], Signal]]] = {
    "dense": [
        ({"units": 3, "activation": "silu", "initializer": "he_normal"}, numbers(4)),
        ({"units": 3, "bias": False}, numbers(2, 4)),
    ],
    "activation": [
        *(({"function": name}, 2.0 * numbers(3)) for name in ACTIVATIONS),
    ],
    "dropout": [({"rate": 0.4}, numbers(6))],
    "batch_norm": [({}, numbers(4)), ({"momentum": 0.5, "epsilon": 0.1}, numbers(3, 2, 4))],
    "layer_norm": [({}, numbers(6)), ({"epsilon": 0.1}, numbers(3, 4))],
    "group_norm": [({"groups": 2}, numbers(3, 4)), ({"groups": 3, "epsilon": 0.1}, numbers(2, 3, 6))],
    "flatten": [({}, numbers(2, 3))],
    "reshape": [({"shape": [3, 2]}, numbers(6))],
    "residual": [
        ({"layers": [dense(4)]}, numbers(4)),
        ({"layers": [{"type": "batch_norm"}, dense(3)], "shortcut": [{"type": "dense", "units": 3}]}, numbers(4)),
        ({"layers": [dense(3)], "shortcut": [dense(3, bias=False)]}, numbers(4)),
    ],
    "repeat": [({"times": 2, "layers": [dense(3)]}, numbers(4))],
    "conv2d": [
        ({"filters": 3, "kernel": 3, "activation": "tanh", "initializer": "lecun_uniform"}, IMAGES),
        ({"filters": 2, "kernel": [2, 3], "stride": 2, "bias": False}, IMAGES),
        ({"filters": 2, "kernel": 2, "padding": "valid", "dilation": [2, 1]}, IMAGES),
        ({"filters": 4, "kernel": 3, "padding": [0, 2], "groups": 2, "stride": [1, 2]}, IMAGES),
    ],
    "conv1d": [
        ({"filters": 3, "kernel": 3, "activation": "tanh", "initializer": "lecun_uniform"}, numbers(7, 2)),
        ({"filters": 2, "kernel": 2, "stride": 2, "bias": False, "dilation": 2}, numbers(7, 2)),
        ({"filters": 4, "kernel": 3, "padding": 1, "groups": 2}, numbers(7, 2)),
    ],
    "max_pool": [
        ({}, IMAGES),
        ({"size": 3, "stride": 2, "padding": "same"}, IMAGES),
        ({"size": 3, "stride": 1}, numbers(7, 2)),
    ],
    "average_pool": [
        ({}, IMAGES),
        ({"size": 3, "stride": 2, "padding": "same"}, IMAGES),
        ({"size": 3, "stride": 1}, numbers(7, 2)),
    ],
    "global_average_pool": [({}, IMAGES), ({}, numbers(4, 3))],
    "embedding": [
        ({"size": 3}, ids()),
        ({"size": 2, "count": 6, "padding": 3, "initializer": "glorot_normal"}, ids(3)),
    ],
    "branches": [
        (
            {"inputs": {"table": [], "words": [{"type": "embedding", "size": 3}], "more": [dense(2)]}},
            {"table": numbers(4), "words": ids(), "more": numbers(3)},
        ),
        (
            {"inputs": {"a": [dense(3)], "b": [dense(3), {"type": "batch_norm"}]}, "merge": "add"},
            {"a": numbers(4), "b": numbers(2)},
        ),
        ({"inputs": {"a": [dense(2)], "b": [dense(3)]}, "merge": "none"}, {"a": numbers(5, 4), "b": numbers(3, 2)}),
    ],
    "positions": [({"form": "sinusoidal"}, numbers(5, 3)), ({"form": "learned", "longest": 6}, numbers(5, 4))],
    "attention": [
        ({"heads": 2}, numbers(5, 4)),
        ({"heads": 2, "causal": True, "size": 3, "bias": False, "initializer": "he_normal"}, numbers(5, 4)),
        ({"heads": 1, "positions": "rotary"}, numbers(5, 4)),
        ({"heads": 2, "queries": "a", "keys": "b"}, {"b": numbers(5, 3), "a": numbers(4, 4)}),
    ],
    "transformer_block": [
        ({"heads": 2, "causal": True, "positions": "rotary"}, numbers(5, 4)),
        ({"heads": 2, "hidden": 3, "activation": "tanh", "initializer": "orthogonal"}, numbers(5, 4)),
        ({"heads": 1, "gated": True, "dropout": 0.2}, numbers(5, 4)),
    ],
    "tied_output": [({}, ids()), ({"embedding": 0, "scale": 0.5}, ids(3))],
    "rnn": [
        ({"units": 3, "activation": "softplus", "states": "last", "initializer": "he_normal"}, numbers(5, 2)),
        ({"units": 1, "layers": 2, "bidirectional": True, "recurrent_initializer": "lecun_normal"}, numbers(5, 1)),
        ({"units": 2, "layers": 2}, numbers(5, 2)),
    ],
    "gru": [
        ({"units": 2, "states": "last", "initializer": "he_normal"}, numbers(5, 2)),
        ({"units": 1, "layers": 2, "bidirectional": True, "recurrent_initializer": "lecun_normal"}, numbers(5, 1)),
        ({"units": 2, "layers": 2}, numbers(5, 2)),
    ],
    "lstm": [
        ({"units": 2, "states": "last", "initializer": "he_normal"}, numbers(5, 2)),
        ({"units": 1, "layers": 2, "bidirectional": True, "recurrent_initializer": "lecun_normal"}, numbers(5, 1)),
        ({"units": 2, "layers": 2}, numbers(5, 2)),
    ],
    "last": [({}, numbers(5, 2))],
    "mean_over_time": [({}, numbers(5, 2))],
    "max_over_time": [({}, numbers(5, 2))],
    "spec_augment": [
        (
            {"time_masks": 1, "time_width": 3, "time_share": 0.7, "frequency_masks": 1, "frequency_width": 2},
            numbers(5, 3),
        ),
    ],
    "text_cnn": [
        ({"filters": 2, "activation": "tanh", "initializer": "he_normal"}, numbers(5, 2)),
        ({"filters": 3, "widths": [2, 6], "bias": False}, numbers(5, 2)),
    ],
    "random_flip": [({"direction": "both"}, SMALL)],
    "random_crop": [({"padding": 2}, SMALL)],
    "random_shift": [({"height": 0.4, "width": 0.5}, SMALL)],
    "random_rotation": [({"degrees": 40.0}, SMALL)],
    "cutout": [({"size": 3}, SMALL)],
}
OTHERWISE = ("dropout", "batch_norm", "residual", "branches", "transformer_block")
"""Layers that evaluation takes another way through, or that have one within."""
SEQUENCES = (
    "positions", "attention", "transformer_block",
    "conv1d", "rnn", "gru", "lstm", "last", "mean_over_time", "max_over_time", "spec_augment", "text_cnn",
)  # fmt: skip
"""Layers whose samples are sequences in any case."""
CASES = [
    pytest.param(name, given, x, id=f"{name} {' '.join(map(str, given.values()))}"[:60])
    for name, rows in ROWS.items()
    for given, x in rows
]


def draws(name: str, given: dict[str, Any], x: Signal) -> bool:
    return name == "dropout" or bool(given.get("dropout"))


EVERY = pytest.mark.parametrize(("name", "given", "x"), CASES)


def test_every_layer_and_every_option_has_a_row() -> None:
    assert set(ROWS) == set(LAYERS.rows)
    for name, rows in ROWS.items():
        for option in options(LAYERS.find(name)):
            values = [given[option.name] for given, _ in rows if option.name in given]
            assert any(option.required or value != option.default for value in values), (name, option.name)


@EVERY
def test_gradients(name: str, given: dict[str, Any], x: Signal) -> None:
    assert check_gradients([made(name, given)], x, groups=GROUPS) < 1e-6
    if name in OTHERWISE:
        assert check_gradients([made(name, given)], x, training=False) < 1e-6


@EVERY
def test_samples_of_different_lengths_have_right_gradients_or_are_refused(
    name: str, given: dict[str, Any], x: Signal
) -> None:
    """Where they may come, they come in shares, too."""
    pooled = name in ("max_pool", "average_pool") and x.ndim == 3
    lengthened = cut_off if name in SEQUENCES or pooled or given.get("merge") == "none" else ragged
    sequences = {key: lengthened(one) for key, one in x.items()} if isinstance(x, dict) else lengthened(x)
    layer = made(name, given)
    if reason := why_not(layer, spec_of(sequences)):
        assert "one length" in reason
        return
    assert check_gradients([layer], sequences, groups=GROUPS) < 1e-6
    assert_shares_add_up(layer, sequences)


@EVERY
def test_what_continues_makes_of_parts_what_it_makes_of_the_whole(name: str, given: dict[str, Any], x: Signal) -> None:
    if isinstance(x, dict):
        return
    layer, values = made(name, given), x if name in SEQUENCES else ragged(x).values
    whole = Ragged(values, np.full(SAMPLES, values.shape[1]))
    if why_not(layer, spec_of(whole)):
        return
    steps = Steps(layer, whole)
    parameters, statistics = steps.views
    if not layer.continues:
        with pytest.raises(ShapeError, match="samples cannot come a part at a time"):
            Decoder(steps.model, parameters, statistics)
        return
    context = steps.model.context(0)
    context.begin(training=False, statistics=statistics)
    expected = steps.model.forward(whole, parameters, context)[0].values
    decoder = Decoder(steps.model, parameters, statistics)
    found = [decoder(values[:, start:stop]).copy() for start, stop in ((0, 2), (2, 3), (3, 5))]
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected, rtol=1e-12, atol=1e-13)


def test_layers_that_continue_have_a_row_that_does() -> None:
    able = {name for name, rows in ROWS.items() for given, _ in rows if made(name, given).continues}
    assert able >= {"attention", "transformer_block", "rnn", "gru", "lstm", "residual", "repeat", "dense"}


@EVERY
def test_shares_add_up(name: str, given: dict[str, Any], x: Signal) -> None:
    assert_shares_add_up(made(name, given), x)


@pytest.mark.parametrize(("name", "given", "x"), [case for case in CASES if not draws(*case.values)])
def test_float32_is_float64_up_to_rounding(name: str, given: dict[str, Any], x: Signal) -> None:
    """But for dropout, whose random numbers differ between the dtypes."""
    double, single = (Steps(made(name, given), x, dtype).step(x, GROUPS) for dtype in ("float64", "float32"))
    assert len(double) == len(single)
    for exact, rounded in zip(double, single, strict=True):
        assert rounded.dtype == np.float32
        np.testing.assert_allclose(rounded, exact, rtol=2e-4, atol=2e-5 * np.abs(exact).max(initial=1.0))


def made(name: str, given: dict[str, Any]) -> Layer:
    """As a configuration says it, with what a layer needs before or after it."""
    section = TypeAdapter(Annotated[Any, Of(LAYERS)]).validate_python({"type": name, **given})
    layer: Layer = construct(section)
    if name == "tied_output":
        return Sequential([Embedding(4), layer])
    if given.get("merge") == "none":
        return Sequential([layer, Attention(1, queries="b", keys="a")])
    return layer


def why_not(layer: Layer, spec: Spec) -> str:
    """The words with which it refuses such samples, empty where it takes them."""
    try:
        Model([layer], spec)
    except ShapeError as error:
        return str(error)
    return ""


def ragged(x: Array) -> Ragged:
    """Sequences of such samples."""
    if x.dtype.kind == "i":
        return Ragged(np.stack([x, x[::-1], x, x[::-1], x], axis=1), LENGTHS)
    return Ragged(away_from_zero((SAMPLES, 5, *x.shape[1:]), seed=3), LENGTHS)


def cut_off(x: Array) -> Ragged:
    """The samples themselves, of other lengths."""
    return Ragged(x, np.minimum(LENGTHS, x.shape[1]))


class Steps:
    """A model of one layer with its parameters off their symmetric start; each step is made in a context of its own."""

    def __init__(self, layer: Layer, x: Signal, dtype: Any = "float64") -> None:
        self.model = Model([layer], spec_of(x), dtype)
        self.vector, self.running = self.model.initialize(3)
        self.vector += (0.1 * np.random.default_rng(4).normal(size=self.vector.shape)).astype(dtype)

    @property
    def views(self) -> tuple[Views, Views]:
        return self.model.layout.views(self.vector), self.model.statistics_layout.views(self.running)

    def step(self, x: Signal, groups: list[Group]) -> list[Array]:
        """Copies of gradients, sums for statistics, outputs and the gradients of the inputs."""
        model, dtype = self.model, self.model.dtype
        ctx: Context = model.context(0, needs_input_grad=True)
        gradient, sums = np.full_like(self.vector, np.nan), np.full_like(self.running, np.nan)
        grads, sum_views = Gradients(model.layout.views(gradient)), Gradients(model.statistics_layout.views(sums))
        grads.begin()
        sum_views.begin()
        running = model.statistics_layout.views(self.running)
        ctx.begin(training=True, step=5, groups=groups, statistics=running, sums=sum_views)
        outputs, backward = model.forward(converted(x, dtype), model.layout.views(self.vector), ctx)
        values = outputs.values if isinstance(outputs, Ragged) else outputs
        kept = values.copy()
        dy = np.ones_like(values)
        dy *= np.cos(np.arange(math.prod(values.shape[1:]))).reshape(values.shape[1:])
        if isinstance(outputs, Ragged):
            for row, length in zip(dy, outputs.lengths, strict=True):
                row[length:] = 0
        dx = backward(dy, grads)
        grads.end()
        sum_views.end()
        return [gradient, sums, kept, *(one.copy() for one in floats(dx))]


def assert_shares_add_up(layer: Layer, x: Signal) -> None:
    """Of the gradients and sums; outputs and gradients of inputs stand side by side."""
    steps = Steps(layer, x)
    whole, parts = steps.step(x, GROUPS), [steps.step(*share) for share in shares(x)]
    for index, expected in enumerate(whole):
        found = [part[index] for part in parts]
        together = sum(found) if index < 2 else np.concatenate(found)
        np.testing.assert_allclose(together, expected, rtol=1e-11, atol=1e-13 * np.abs(expected).max(initial=1.0))


def shares(x: Signal) -> Iterator[tuple[Signal, list[Group]]]:
    """The samples of one group, of two, and none."""
    for own in (GROUPS[:1], GROUPS[1:], []):
        start, stop = (own[0].start, own[-1].stop) if own else (SAMPLES, SAMPLES)
        yield cut(x, start, stop), [Group(group.index, group.start - start, group.stop - start) for group in own]


def cut(x: Signal, start: int, stop: int) -> Signal:
    if isinstance(x, Mapping):
        return {name: cut(one, start, stop) for name, one in x.items()}
    return Ragged(x.values[start:stop], x.lengths[start:stop]) if isinstance(x, Ragged) else x[start:stop]


def converted(x: Signal, dtype: Any) -> Signal:
    if isinstance(x, Mapping):
        return {name: converted(one, dtype) for name, one in x.items()}
    if isinstance(x, Ragged):
        return Ragged(converted(x.values, dtype), x.lengths)
    return x.astype(dtype) if x.dtype.kind == "f" else x


def floats(dx: Any) -> Iterator[Array]:
    """The gradients of inputs that have one, in order."""
    if isinstance(dx, Mapping):
        for one in dx.values():
            yield from floats(one)
    elif dx is not None:
        yield dx
