"""Models that are run a part of their positions at a time, as those that generate texts are."""

import numpy as np
import pytest

from dist_bp.errors import ShapeError
from dist_bp.nn import (
    Backward,
    Context,
    Declaration,
    Decoder,
    Field,
    Layer,
    Model,
    Parameter,
    Ragged,
    Views,
)
from dist_bp.nn.initializers import Constant
from dist_bp.nn.layers.attention import Attention
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.branches import Branches
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.nn.layers.embedding import Embedding
from dist_bp.nn.layers.flatten import Flatten
from dist_bp.nn.layers.global_average_pool import GlobalAveragePool
from dist_bp.nn.layers.gru import Gru
from dist_bp.nn.layers.layer_norm import LayerNorm
from dist_bp.nn.layers.lstm import Lstm
from dist_bp.nn.layers.positions import Positions
from dist_bp.nn.layers.rnn import Rnn
from dist_bp.nn.layers.tied_output import TiedOutput
from dist_bp.nn.layers.transformer_block import TransformerBlock
from dist_bp.signals import Spec
from dist_bp.types import Array
from tests.nn.helpers import Run, normal


class Offsets(Layer):
    """A parameter for each element of a sample."""

    def declare(self, spec: Field) -> Declaration:
        return Declaration(spec, {"offset": Parameter(spec.shape, Constant(0.0))})

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        raise NotImplementedError


TEXT = Field((12,), "int", count=6)


def generator(positions: Layer | None = None) -> list[Layer]:
    """A small causal model of texts."""
    blocks = [TransformerBlock(2, causal=True, positions="none" if positions else "rotary") for _ in range(2)]
    return [Embedding(4), *([positions] if positions else []), Dropout(0.1), *blocks, LayerNorm(), TiedOutput()]


@pytest.mark.parametrize("spec", [TEXT, Field((), "int", ragged=True, count=6)], ids=["windows", "ragged"])
@pytest.mark.parametrize("positions", [None, Positions(), Positions("learned", longest=12)])
@pytest.mark.parametrize("parts", [[1] * 12, [5, 1, 1, 3, 2], [12]], ids=str)
def test_positions_one_after_another_give_what_the_whole_gives(
    positions: Layer | None, parts: list[int], spec: Field
) -> None:
    run = Run(generator(positions), spec)
    texts = np.random.default_rng(0).integers(0, 6, (2, 3, 12))
    decoder = Decoder(run.model, run.params, run.statistics)
    for x in texts:
        whole = run.outputs(Ragged(x, np.full(3, 12)) if spec.ragged else x)
        decoder.restart()
        found = [decoder(x[:, stop - part : stop]).copy() for part, stop in zip(parts, np.cumsum(parts), strict=True)]
        np.testing.assert_allclose(np.concatenate(found, axis=1), whole, rtol=1e-10, atol=1e-12)


def test_other_samples_may_follow_in_another_number() -> None:
    run = Run(generator(), TEXT)
    decoder = Decoder(run.model, run.params)
    decoder(np.zeros((3, 4), np.int64))
    with pytest.raises(ShapeError, match="there have been positions of 3 samples, these are of 1: restart"):
        decoder(np.zeros((1, 1), np.int64))
    decoder.restart()
    found = decoder(np.full((1, 12), 2))
    np.testing.assert_allclose(found, run.outputs(np.full((1, 12), 2)), rtol=1e-10)


@pytest.mark.parametrize(
    ("layers", "spec", "message"),
    [
        ([Embedding(4), Attention(2), Dense(2)], TEXT, "layer 1, attention, needs whole samples"),
        ([Embedding(4), GlobalAveragePool()], TEXT, "layer 1, global_average_pool, needs whole samples"),
        ([Embedding(4), Flatten(), Dense(3)], TEXT, "layer 1: flatten takes samples of one length"),
        ([Embedding(4), Offsets()], TEXT, "the layers have weights for whole ones"),
        ([Dense(2)], Field(()), "dense needs samples with an axis"),
        (
            [Branches({"a": [], "b": []})],
            {"a": Field((3,)), "b": Field((3,))},
            "the model takes a, b, and no sequences",
        ),
    ],
)
def test_a_model_that_needs_whole_samples_is_not_run_in_parts(layers: list[Layer], spec: Spec, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Model(layers, spec).in_parts()


@pytest.mark.parametrize("layer", [Rnn(3), Gru(3), Lstm(3, layers=2)])
def test_recurrent_layers_go_on_from_their_states(layer: Layer) -> None:
    run = Run([Embedding(4), layer, Dense(6)], TEXT)
    decoder = Decoder(run.model, run.params)
    for x in np.random.default_rng(0).integers(0, 6, (2, 3, 12)):
        decoder.restart()
        found = [decoder(x[:, start:stop]).copy() for start, stop in ((0, 5), (5, 6), (6, 7), (7, 12))]
        np.testing.assert_allclose(np.concatenate(found, axis=1), run.outputs(x), rtol=1e-10, atol=1e-12)
    for whole in (Gru(3, bidirectional=True), Gru(3, states="last")):
        with pytest.raises(ShapeError, match="layer 1, gru, needs whole samples"):
            Model([Embedding(4), whole], TEXT).in_parts()


def test_learned_positions_end_with_their_table() -> None:
    run = Run(generator(Positions("learned", longest=12)), TEXT)
    decoder = Decoder(run.model, run.params)
    decoder(np.zeros((1, 12), np.int64))
    with pytest.raises(ShapeError, match="a sample has 13 positions, and the table rows for 12"):
        decoder(np.zeros((1, 1), np.int64))


def test_batch_norm_takes_its_running_averages_a_part_at_a_time() -> None:
    run = Run([Dense(3), BatchNorm()], Field((5, 4)))
    decoder, x = Decoder(run.model, run.params, run.statistics), normal((2, 5, 4))
    found = np.concatenate([decoder(x[:, :2].copy()).copy(), decoder(x[:, 2:].copy())], axis=1)
    np.testing.assert_allclose(found, run.outputs(x), rtol=1e-12)
