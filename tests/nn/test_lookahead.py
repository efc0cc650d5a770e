"""Networks that look ahead are told from those that look back, whatever their initializers and however far it is."""

import pytest

from dist_bp.nn import Field, Layer, Model
from dist_bp.nn.initializers import Normal
from dist_bp.nn.layers.conv1d import Conv1d
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.embedding import Embedding
from dist_bp.nn.layers.gru import Gru
from dist_bp.nn.layers.layer_norm import LayerNorm
from dist_bp.nn.layers.lstm import Lstm
from dist_bp.nn.layers.positions import Positions
from dist_bp.nn.layers.repeat import Repeat
from dist_bp.nn.layers.tied_output import TiedOutput
from dist_bp.nn.layers.transformer_block import TransformerBlock
from dist_bp.nn.lookahead import looks_ahead

ROWS: dict[str, tuple[bool, list[Layer]]] = {
    "hidden by zeros": (True, [TransformerBlock(2), Dense(11, initializer="zeros")]),
    "hidden by small numbers": (True, [TransformerBlock(2, initializer=Normal(0.005)), Dense(11)]),
    "hidden by causal layers": (True, [TransformerBlock(2, causal=True), TransformerBlock(2), Dense(11)]),
    "far ahead": (True, [Conv1d(8, 3, dilation=16), Dense(11)]),
    "farther ahead": (True, [Conv1d(8, 3, dilation=400), Dense(11)]),
    "both ways": (True, [Lstm(4, bidirectional=True), Dense(11)]),
    "attention": (False, [Positions("learned"), Repeat(3, [TransformerBlock(2, causal=True)]), TiedOutput()]),
    "rotary": (False, [TransformerBlock(2, causal=True, positions="rotary"), LayerNorm(), Dense(11)]),
    "recurrent": (False, [Gru(8, layers=2), Dense(11)]),
    "one token": (False, [Dense(11, "relu"), Conv1d(11, 1)]),
}


@pytest.mark.parametrize("name", ROWS)
def test_networks_that_look_ahead(name: str) -> None:
    ahead, layers = ROWS[name]
    model = Model([Embedding(8), *layers], Field((), "int", ragged=True, count=11, unseen=0, longest=500))
    assert looks_ahead(model, 1, 500) == ahead


def test_a_context_of_one_or_two_tokens() -> None:
    model = Model([Embedding(8), TransformerBlock(2)], Field((), "int", ragged=True, count=2))
    assert not looks_ahead(model, 1, 1)
    assert looks_ahead(model, 1, 2)
