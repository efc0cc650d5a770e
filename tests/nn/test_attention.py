"""Attention and what goes with it, against formulas written out position by position."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from dist_bp.errors import ShapeError
from dist_bp.nn import (
    Context,
    Field,
    Gradients,
    Layer,
    Model,
    Ragged,
)
from dist_bp.nn.layers import attending
from dist_bp.nn.layers.attending import attend
from dist_bp.nn.layers.attention import Attention
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.embedding import Embedding
from dist_bp.nn.layers.layer_norm import LayerNorm
from dist_bp.nn.layers.positions import Positions
from dist_bp.nn.layers.tied_output import TiedOutput
from dist_bp.nn.layers.transformer_block import TransformerBlock
from dist_bp.signals import Spec
from dist_bp.types import Array
from tests.allocation import takes_less
from tests.nn.helpers import Run, groups_of, normal

LENGTHS = np.array([3, 0, 5, 1])


def softmax(scores: list[float]) -> list[float]:
    powers = [math.exp(score - max(scores)) for score in scores]
    return [power / math.fsum(powers) for power in powers]


def average(query: Array, keys: list[Array], values: list[Array]) -> Array:
    """What one query takes from what it sees, 0 where that is nothing."""
    scores = [math.fsum(query * key) / math.sqrt(len(query)) for key in keys]
    return sum((weight * value for weight, value in zip(softmax(scores), values, strict=True)), np.zeros(len(query)))


def turned(vector: Array, position: int) -> Array:
    """By complex numbers: pair i, of the elements i and i + size / 2, turned by position / 10000^(2 i / size)."""
    half = len(vector) // 2
    angles = [position / 10_000 ** (2 * i / len(vector)) for i in range(half)]
    pairs = (vector[:half] + 1j * vector[half:]) * np.exp(1j * np.array(angles))
    return np.concatenate([pairs.real, pairs.imag])


def attention(asking: Array, asked: Array, p: Any, heads: int, causal: bool, rotary: bool) -> Array:
    """Of one sample: (positions, channels) and (more, channels), both without padding."""
    if "qkv" in p:
        q, k, v = np.split(asking @ p["qkv"]["weight"] + p["qkv"]["bias"], 3, axis=1)
    else:
        q = asking @ p["q"]["weight"] + p["q"]["bias"]
        k, v = np.split(asked @ p["kv"]["weight"] + p["kv"]["bias"], 2, axis=1)
    size, inner = q.shape[1] // heads, np.zeros((len(asking), q.shape[1]))
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        queries, keys, values = [*q[:, part]], [*k[:, part]], [*v[:, part]]
        if rotary:
            queries, keys = ([turned(one, at) for at, one in enumerate(some)] for some in (queries, keys))
        for at, query in enumerate(queries):
            seen = at + 1 if causal else len(keys)
            inner[at, part] = average(query, keys[:seen], values[:seen])
    outputs: Array = inner @ p["output"]["weight"] + p["output"]["bias"]
    return outputs


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rotary", [False, True])
def test_attention_to_itself(causal: bool, rotary: bool, scale: float) -> None:
    """Also with scores up to some thousands, which exp cannot take as they are."""
    layer = Attention(2, causal, "rotary" if rotary else "none", size=4)
    run = Run([layer], Field((3,), ragged=True))
    x = scale * normal((4, 8, 3))
    found = run.outputs(Ragged(x, LENGTHS))
    for sample, length, y in zip(x, LENGTHS, found, strict=True):
        expected = attention(sample[:length], sample[:length], run.params["0"], 2, causal, rotary)
        np.testing.assert_allclose(y[:length], expected, rtol=1e-10, atol=1e-10)
    assert np.isfinite(found).all()


def test_attention_to_another_input() -> None:
    """Where that is empty, only the bias of the output is left."""
    run = Run([Attention(2, queries="a", keys="b")], {"a": Field((4,), ragged=True), "b": Field((3,), ragged=True)})
    a, b = Ragged(normal((4, 5, 4)), np.array([5, 2, 0, 1])), Ragged(normal((4, 8, 3), 1), LENGTHS)
    found = run.outputs({"a": a, "b": b})
    for index, y in enumerate(found):
        one, other = a.values[index, : a.lengths[index]], b.values[index, : b.lengths[index]]
        if len(other):
            expected = attention(one, other, run.params["0"], 2, False, False)
        else:
            expected = np.tile(run.params["0"]["output"]["bias"], (len(one), 1))
        np.testing.assert_allclose(y[: len(one)], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_query_that_sees_nothing_gets_zero_and_gives_no_gradient(scale: float, dtype: str) -> None:
    ctx = Context.root(dtype)
    queries, keys, values = (scale * normal((2, 2, 3, 4), seed, dtype) for seed in range(3))
    o, backward = attend(queries, keys, values, False, np.array([0, 2]), ctx)
    gradients = [np.full_like(queries, np.nan) for _ in range(3)]
    assert not o[0].any()
    assert o[1].any()
    backward(np.ones_like(o), gradients)
    assert np.isfinite(gradients).all()
    assert not any(one[0].any() for one in gradients)
    assert not any(one[1, :, 2:].any() for one in gradients[1:])


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("causal", [False, True])
def test_what_is_not_kept_is_computed_again_to_the_same_bits(
    causal: bool, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in blocks of three samples."""
    given = [scale * normal((9, 2, 5, 4), seed, "float32") for seed in range(4)]
    found = []
    for kept, block in ((2**20, 2**20), (0, 600)):
        monkeypatch.setattr(attending, "KEPT_BYTES", kept)
        monkeypatch.setattr(attending, "BLOCK_BYTES", block)
        ctx = Context.root("float32")
        ctx.begin(training=True)
        o, backward = attend(*given[:3], causal, np.arange(9) % 6, ctx)
        gradients = np.empty((3, 9, 2, 5, 4), np.float32)
        backward(given[3].copy(), gradients)
        found.append([o, gradients])
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("layer", [Attention(2), Attention(2, causal=True), TransformerBlock(2, positions="rotary")])
def test_what_lies_beyond_a_length_changes_nothing(layer: Layer) -> None:
    run = Run([layer], Field((4,), ragged=True))
    x, other = normal((4, 8, 4)), normal((4, 8, 4))
    for row, length in zip(other, LENGTHS, strict=True):
        row[length:] = 7.0
    one, two = run.outputs(Ragged(x, LENGTHS)), run.outputs(Ragged(other, LENGTHS))
    for y, z, length in zip(one, two, LENGTHS, strict=True):
        np.testing.assert_allclose(y[:length], z[:length], rtol=1e-12, atol=1e-12)


def test_a_block_is_attention_and_two_dense_layers_after_norms() -> None:
    run = Run([TransformerBlock(2, causal=True, activation="tanh")], (5, 4))
    gated = Run([TransformerBlock(2, gated=True)], (5, 4))
    assert gated.params["0"]["1"]["layers"]["1"]["weight"].shape == (4, 2 * 16)
    x = normal((3, 5, 4))

    def norm(x: Array, p: Any) -> Array:
        spread = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        normalised: Array = (x - x.mean(axis=-1, keepdims=True)) / spread * p["gain"] + p["offset"]
        return normalised

    def gated_by_silu(both: Array) -> Array:
        product: Array = both[:, :16] / (1 + np.exp(-both[:, :16])) * both[:, 16:]
        return product

    for one, kind in ((run, "tanh"), (gated, "silu")):
        first, second = (one.params["0"][half]["layers"] for half in "01")
        for sample, y in zip(x, one.outputs(x), strict=True):
            normed = norm(sample, first["0"])
            middle = sample + attention(normed, normed, first["1"], 2, kind == "tanh", False)
            inner = norm(middle, second["0"]) @ second["1"]["weight"] + second["1"]["bias"]
            inner = np.tanh(inner) if kind == "tanh" else gated_by_silu(inner)
            expected = middle + inner @ second["2"]["weight"] + second["2"]["bias"]
            np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


def test_sinusoidal_positions() -> None:
    found = Run([Positions()], (300, 5)).outputs(np.zeros((1, 300, 5)))[0]
    for position in (0, 1, 7, 299):
        angles = [position / 10_000 ** (2 * (k // 2) / 5) for k in range(5)]
        expected = [math.cos(angle) if k % 2 else math.sin(angle) for k, angle in enumerate(angles)]
        np.testing.assert_allclose(found[position], expected, rtol=1e-12, atol=1e-12)


def test_learned_positions_of_samples_that_are_padded_beyond_the_table() -> None:
    run = Run([Positions("learned", longest=5)], Field((2,), ragged=True))
    found = run.outputs(Ragged(np.zeros((4, 8, 2)), LENGTHS))
    for y, length in zip(found, LENGTHS, strict=True):
        np.testing.assert_array_equal(y[:length], run.params["0"]["table"][:length])


def test_samples_longer_than_the_table_of_positions_are_refused() -> None:
    message = r"a sample has 6 positions, and the table rows for 5: set longest, or shorten the samples"
    learned = Positions("learned", longest=5)
    for spec in (Field((6, 2)), Field((2,), ragged=True, longest=6)):
        with pytest.raises(ShapeError, match=f"layer 0: positions: {message}"):
            Model([learned], spec)
    with pytest.raises(ShapeError, match="samples have different lengths: set longest"):
        Model([Positions("learned")], Field((2,), ragged=True))
    run = Run([learned], Field((2,), ragged=True))
    with pytest.raises(ShapeError, match=message):
        run.outputs(Ragged(np.zeros((1, 8, 2)), np.array([6])))


def test_a_tied_output_is_the_table_and_lies_once_in_the_vector() -> None:
    words = Field((), "int", ragged=True, count=6)
    run = Run([Embedding(4), LayerNorm(), TiedOutput()], words)
    assert list(run.model.layout.shapes) == ["0.table", "1.gain", "1.offset"]
    assert [line.parameters for line in run.model.summary()] == [24, 8, 0]
    assert run.model.output == Field((6,), ragged=True)
    assert not run.model.tables  # all of its rows have a gradient
    inner = Run([Embedding(4), LayerNorm()], words)
    x = Ragged(np.random.default_rng(0).integers(0, 6, (4, 8)), LENGTHS)
    expected = inner.outputs(x) @ run.params["0"]["table"].T / 2.0
    np.testing.assert_allclose(run.outputs(x), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Dense(3), TiedOutput()], "layer 1: tied_output takes the table of an embedding before it .* there is none"),
        ([Embedding(3), TiedOutput(1)], "layer 1: tied_output: layer 1 is no embedding that stands before it"),
        ([Embedding(3), Dense(2), TiedOutput()], "vectors have 3 numbers, its input is 2: put {type: dense, units: 3}"),
        ([TiedOutput()], "layer 0: tied_output takes the table of an embedding before it"),
    ],
)
def test_a_tied_output_without_its_embedding_is_refused(layers: list[Layer], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Model(layers, Field((4,)) if isinstance(layers[0], Dense) else Field((), "int", count=5))


@pytest.mark.parametrize(
    ("layer", "spec", "message"),
    [
        (Attention(3), Field((5, 4)), "3 heads cannot share 4 channels"),
        (Attention(2), Field((4,)), r"takes samples of shape \(positions, channels\), its input is 4"),
        (Attention(2, positions="rotary"), Field((5, 2)), "turn pairs of channels, and a head has 1"),
        (Attention(2, queries="a", keys="b"), Field((5, 4)), "takes the two inputs a and b, here is one, 5 x 4"),
        (
            Attention(2, queries="a", keys="b"),
            {"a": Field((5, 4)), "c": Field((5, 4))},
            "takes the two inputs a and b, here is a, c",
        ),
        (Attention(2), {"a": Field((5, 4)), "b": Field((5, 4))}, "attention takes one input, here are 2"),
    ],
)
def test_what_attention_cannot_work_on_is_refused(layer: Layer, spec: Spec, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Model([layer], spec)


@pytest.mark.parametrize("causal", [False, True])
def test_no_array_is_allocated_after_the_first_step_of_a_shape(causal: bool) -> None:
    """Less than a number for each position of each head."""
    layers = [Positions("learned", longest=64), TransformerBlock(2, causal, "rotary", dropout=0.1), Dense(3)]
    run = Run(layers, Field((8,), ragged=True), "float32")
    grads = Gradients(run.model.layout.views(np.zeros_like(run.vector)))
    x, lengths = normal((64, 64, 8), dtype="float32"), np.random.default_rng(0).integers(0, 65, 64)

    def step(longest: int) -> None:
        run.context.begin(training=True, groups=groups_of(64, 32))
        grads.begin()
        short = np.minimum(lengths, longest)
        y, backward = run.model.forward(Ragged(shorter[longest], short), run.params, run.context)
        backward(y.values, grads)
        grads.end()

    shorter = {longest: np.ascontiguousarray(x[:, :longest]) for longest in (64, 40)}
    usual = np.setbufsize(256)
    try:
        for last in (64, 40):
            for longest in (64, 40, 64):
                step(longest)
            assert takes_less(4 * 2 * 64 * 64, lambda last=last: partial(step, last))
    finally:
        np.setbufsize(usual)
