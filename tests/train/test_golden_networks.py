"""Small networks of each kind beside formulas written out in NumPy, and recorded losses."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from dist_bp.data.samples import RaggedArray
from dist_bp.nn import Field
from dist_bp.nn.layers.activation import Activation
from dist_bp.nn.layers.average_pool import AveragePool
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.branches import Branches
from dist_bp.nn.layers.conv1d import Conv1d
from dist_bp.nn.layers.conv2d import Conv2d
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.embedding import Embedding
from dist_bp.nn.layers.flatten import Flatten
from dist_bp.nn.layers.global_average_pool import GlobalAveragePool
from dist_bp.nn.layers.group_norm import GroupNorm
from dist_bp.nn.layers.layer_norm import LayerNorm
from dist_bp.nn.layers.max_pool import MaxPool
from dist_bp.nn.layers.positions import Positions
from dist_bp.nn.layers.residual import Residual
from dist_bp.nn.layers.tied_output import TiedOutput
from dist_bp.nn.layers.transformer_block import TransformerBlock
from dist_bp.types import Array
from tests.train.curve import SAMPLES, Curve, Parameters, affine, check, embedded, scaled
from tests.train.tape import Value, convolution, largest, normal, side_by_side, value


def in_groups(x: Value, groups: int) -> Value:
    n, *positions, channels = x.data.shape
    return normal(x.reshape(n, -1, groups, channels // groups), (1, 3)).reshape(n, *positions, channels)


def cnn(p: Parameters, x: Array) -> Value:
    seen = (convolution(value(x), p["0.weight"]) + p["0.bias"]).relu()
    seen = convolution(largest(seen, (2, 2)), p["2.weight"], same=False) + p["2.bias"]
    return affine(affine(seen.tanh().reshape(len(x), -1), p, "4").relu(), p, "5")


def resnet(p: Parameters, x: Array) -> Value:
    stem = scaled(normal(convolution(value(x), p["0.weight"]), (0, 1, 2)), p, "1").relu()
    inner = scaled(in_groups(convolution(stem, p["3.layers.0.weight"], (2, 2)), 2), p, "3.layers.1").relu()
    inner = convolution(inner, p["3.layers.3.weight"]) + p["3.layers.3.bias"]
    straight = normal(convolution(stem, p["3.shortcut.0.weight"], (2, 2)), (0, 1, 2))
    seen = (inner + scaled(straight, p, "3.shortcut.1")).relu()
    return affine(seen.mean((1, 2)).reshape(len(x), -1), p, "6")


def sequence(p: Parameters, x: Array) -> Value:
    n, length, channels = x.shape
    seen = value(x).reshape(n, length, 1, channels)
    weights = [p[f"{layer}.weight"] for layer in (0, 2)]
    first, second = (one.reshape(one.data.shape[0], 1, *one.data.shape[1:]) for one in weights)
    seen = (convolution(seen, first, dilation=(2, 1), same=False) + p["0.bias"]).tanh()
    pooled = seen.reshape(n, seen.data.shape[1] // 2, 2, 4).mean(2).reshape(n, -1, 1, 4)
    seen = convolution(pooled, second, groups=4) + p["2.bias"]
    return affine(seen.mean((1, 2)).reshape(n, -1), p, "4")


def tagger(p: Parameters, words: list[Array]) -> Value:
    seen = scaled(normal(embedded(p["0.table"], np.concatenate(words)), -1), p, "1")
    return affine(seen + affine(seen, p, "2.layers.0").tanh(), p, "3")


def attending(x: Value, p: Parameters, name: str, heads: int) -> Value:
    """Each position to itself and those before."""
    n, positions, width = x.data.shape
    places = np.arange(3 * x.data.size).reshape(n, positions, 3, heads, width // heads)
    qkv = affine(x, p, f"{name}.qkv")
    q, k, v = (qkv.pick(places[:, :, part]) for part in range(3))
    later = (n, 1, positions, heads, width // heads)
    scores = (q.reshape(n, positions, 1, *later[3:]) * k.reshape(*later)).sum(-1) * (width // heads) ** -0.5
    seen = scores.each(np.exp, np.exp) * np.tri(positions)[:, :, np.newaxis, np.newaxis]
    taken = (seen * seen.sum(2).power(-1) * v.reshape(*later)).sum(2)
    return affine(taken.reshape(n, positions, width), p, f"{name}.output")


def writer(p: Parameters, words: Array) -> Value:
    seen = embedded(p["0.table"], words) + p["1.table"]
    first, second = "2.0.layers", "2.1.layers"
    seen = seen + attending(scaled(normal(seen, -1), p, f"{first}.0"), p, f"{first}.1", 2)
    inner = affine(scaled(normal(seen, -1), p, f"{second}.0"), p, f"{second}.1").tanh()
    seen = seen + affine(inner, p, f"{second}.2")
    table = p["0.table"].pick(np.arange(24).reshape(6, 4).T)
    return seen @ table * 0.5


def mixed(p: Parameters, x: Mapping[str, Array]) -> Value:
    words = embedded(p["0.words.0.table"], x["words"], padding=0).reshape(len(x["words"]), -1)
    return affine(side_by_side([words, affine(value(x["table"]), p, "0.table.0").tanh()]), p, "1")


def each_position(p: Parameters, x: Array) -> Value:
    return affine(affine(value(x), p, "0").tanh(), p, "1")


random = np.random.default_rng(0)
LABELS = random.integers(0, 3, SAMPLES)
IMAGES = random.normal(size=(SAMPLES, 7, 6, 2))
SEQUENCES = random.normal(size=(SAMPLES, 10, 3))
LENGTHS = random.integers(0, 9, SAMPLES)
OFFSETS = np.concatenate([[0], np.cumsum(LENGTHS)])
WORDS = random.integers(0, 6, OFFSETS[-1])
NAMED = {"words": random.integers(0, 5, (SAMPLES, 2)), "table": random.normal(size=(SAMPLES, 3))}
WEIGHTS = random.uniform(0.0, 3.0, SAMPLES) * (random.random(SAMPLES) > 0.3)
TEXTS = random.integers(0, 6, (SAMPLES, 7))

CNN = Curve(
    Field((7, 6, 2)),
    lambda: [Conv2d(3, 3, activation="relu"), MaxPool(), Conv2d(4, [2, 3], padding="valid", activation="tanh"),
             Flatten(), Dense(6, "relu"), Dense(3)],
    cnn, IMAGES, LABELS, (1.3548516326576867, 1.0341439362865272, 0.3261492208030764), rate=0.02,
)  # fmt: skip
POSITIONS = Curve(
    Field((10, 3)),
    lambda: [Dense(5, "tanh"), Dense(3)],
    each_position, SEQUENCES, SEQUENCES.argmax(axis=-1), (1.7261428070044371, 0.5786606972007464, 0.10289868272642266),
)  # fmt: skip
CURVES = {
    "images": CNN,
    "weighted images": replace(
        CNN, weights=WEIGHTS, recorded=(1.3770422375845852, 1.037729647185025, 0.2164882207124208)
    ),
    "residual": Curve(
        Field((7, 6, 2)),
        lambda: [
            Conv2d(4, 3, bias=False),
            BatchNorm(),
            Activation("relu"),
            Residual(
                [Conv2d(6, 3, 2, bias=False), GroupNorm(2), Activation("relu"), Conv2d(6, 3)],
                shortcut=[Conv2d(6, 1, 2, bias=False), BatchNorm()],
            ),
            Activation("relu"),
            GlobalAveragePool(),
            Dense(3),
        ],
        resnet, IMAGES, LABELS, (1.136885253745387, 1.064783953416764, 0.28658365387116325),
    ),
    "sequences": Curve(
        Field((10, 3)),
        lambda: [Conv1d(4, 3, dilation=2, padding="valid", activation="tanh"), AveragePool(), Conv1d(4, 3, groups=4),
                 GlobalAveragePool(), Dense(2)],
        sequence, SEQUENCES, SEQUENCES[:, :2, 0] ** 2, (1.4065401816049445, 1.1750542654325629, 1.0088279667391835),
    ),
    "words": Curve(
        Field((), "int", True, 6),
        lambda: [Embedding(4), LayerNorm(), Residual([Dense(4, "tanh")]), Dense(3)],
        tagger, RaggedArray(WORDS, OFFSETS), RaggedArray(WORDS // 2, OFFSETS),
        (1.8114816413824808, 0.7823141488161531, 0.00028317190175583876), WEIGHTS,
    ),
    "texts": Curve(
        Field((7,), "int", count=6),
        lambda: [Embedding(4), Positions("learned"), TransformerBlock(2, causal=True, hidden=5, activation="tanh"),
                 TiedOutput()],
        writer, TEXTS, TEXTS.cumsum(axis=1) % 6,
        (2.6152864974719887, 1.790927304744968, 1.5856107968470547),
    ),
    "several inputs": Curve(
        {"words": Field((2,), "int", count=5), "table": Field((3,))},
        lambda: [Branches({"words": [Embedding(3, padding=0), Flatten()], "table": [Dense(4, "tanh")]}), Dense(3)],
        mixed, NAMED, LABELS, (1.487434051252336, 1.0386760230962437, 0.8211982388465857),
    ),
    "positions": POSITIONS,
    "weighted positions": replace(
        POSITIONS, weights=WEIGHTS, recorded=(1.740640813055706, 0.544561217855139, 0.08859408017182008)
    ),
}  # fmt: skip


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
def test_every_step_has_the_loss_of_the_formulas(curve: Curve) -> None:
    check(curve)
