"""Small networks for texts and sounds of different lengths beside formulas in NumPy, and recorded losses."""

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from dist_bp.data.samples import RaggedArray
from dist_bp.nn import Field, Loss
from dist_bp.nn.layers.activation import Activation
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.conv1d import Conv1d
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.embedding import Embedding
from dist_bp.nn.layers.gru import Gru
from dist_bp.nn.layers.lstm import Lstm
from dist_bp.nn.layers.max_pool import MaxPool
from dist_bp.nn.layers.text_cnn import TextCnn
from dist_bp.nn.losses.ctc import Ctc
from dist_bp.types import Array
from tests.train.curve import BATCH, SAMPLES, Curve, Parameters, affine, check, embedded, scaled, taken
from tests.train.tape import OUTSIDE, Value, largest, normal, side_by_side, value

BLANK = 3


def padded(x: Value, lengths: Array, longest: int) -> Value:
    """Samples end to end (m, channels) -> (n, longest, channels), zeros behind the end of each."""
    index = np.full((len(lengths), longest), OUTSIDE)
    index[np.arange(longest) < lengths[:, np.newaxis]] = np.arange(lengths.sum())
    return rows(x, index)


def rows(x: Value, index: Array) -> Value:
    """Of (..., channels), by their numbers; zeros where that is OUTSIDE."""
    channels = x.data.shape[-1]
    places = index[..., np.newaxis] * channels + np.arange(channels)
    return x.pick(np.where(index[..., np.newaxis] == OUTSIDE, OUTSIDE, places))


def turned(x: Value, lengths: Array) -> Value:
    """(n, longest, channels), each sample from its end to its beginning."""
    n, longest, _ = x.data.shape
    position = lengths[:, np.newaxis] - 1 - np.arange(longest)
    return rows(x, np.where(position < 0, OUTSIDE, position + np.arange(n)[:, np.newaxis] * longest))


def parts(x: Value, count: int) -> list[Value]:
    """Of the last axis."""
    places = np.arange(x.data.size).reshape(*x.data.shape[:-1], count, -1)
    return [x.pick(places[..., part, :]) for part in range(count)]


def logistic(x: Value) -> Value:
    return (x * 0.5).tanh() * 0.5 + 0.5


def lstm(x: Value, lengths: Array, p: Parameters, name: str) -> Value:
    """The state after each position, that of the last one behind the end."""
    (n, longest, _), units = x.data.shape, p[f"{name}.recurrent"].data.shape[0]
    of_x, h, c, after = affine(x, p, name), value(np.zeros((n, units))), value(np.zeros((n, units))), []
    for position in range(longest):
        there = (position < lengths)[:, np.newaxis]
        o, i, f, g = parts(rows(of_x, np.arange(n) * longest + position) + h @ p[f"{name}.recurrent"], 4)
        c = c + (logistic(f) * c + logistic(i) * g.tanh() - c) * there
        h = h + (logistic(o) * c.tanh() - h) * there
        after.append(h)
    return side_by_side(after).reshape(n, longest, units)


def gru(x: Value, lengths: Array, p: Parameters, name: str) -> Value:
    (n, longest, _), units = x.data.shape, p[f"{name}.recurrent"].data.shape[0]
    of_x, h, after = affine(x, p, name), value(np.zeros((n, units))), []
    for position in range(longest):
        r_x, z_x, n_x = parts(rows(of_x, np.arange(n) * longest + position), 3)
        r_h, z_h, n_h = parts(h @ p[f"{name}.recurrent"], 3)
        new = (n_x + logistic(r_x + r_h) * (n_h + p[f"{name}.inner_bias"])).tanh()
        h = h + (new - h) * (logistic(z_x + z_h) * -1.0 + 1.0) * (position < lengths)[:, np.newaxis]
        after.append(h)
    return side_by_side(after).reshape(n, longest, units)


def reader(p: Parameters, words: list[Array]) -> Value:
    """One way and the other, and the last state of each."""
    lengths = np.array([*map(len, words)])
    longest = max(lengths.max(), 1)
    seen = padded(embedded(p["0.table"], np.concatenate(words)), lengths, longest)
    ways = [lstm(seen, lengths, p, "1.forward"), lstm(turned(seen, lengths), lengths, p, "1.backward")]
    last = np.arange(len(words)) * longest + longest - 1
    return affine(side_by_side([rows(way, last) for way in ways]), p, "2")


def finder(p: Parameters, words: list[Array]) -> Value:
    """The largest output of each filter, over windows that lie within the text or begin with it."""
    seen, found = embedded(p["0.table"], np.concatenate(words)), []
    starts = np.cumsum([0, *map(len, words)])
    for width in (2, 3):
        filters = p[f"1.weight_{width}"]
        largest_of = []
        for start, length in zip(starts, map(len, words), strict=False):
            index = np.arange(max(length - width, 0) + 1)[:, np.newaxis] + np.arange(width)
            windows = rows(seen, np.where(index < length, start + index, OUTSIDE))
            channels_first = np.arange(windows.data.size).reshape(windows.data.shape).transpose(0, 2, 1)
            outputs = windows.pick(channels_first).reshape(len(index), -1) @ filters
            at = outputs.data.argmax(axis=0) * 3 + np.arange(3)
            largest_of.append(outputs.pick(at[np.newaxis]))
        found.append(side_by_side(largest_of).reshape(len(words), 3))
    return affine((side_by_side(found) + p["1.bias"]).relu(), p, "2")


def listener(p: Parameters, sounds: list[Array]) -> list[Value]:
    """Outputs at every other position of each."""
    lengths = np.array([*map(len, sounds)])
    seen = padded(value(np.concatenate(sounds)), lengths, lengths.max())
    n, longest, channels = seen.data.shape
    index = np.arange(n * longest).reshape(n, longest)
    around = np.pad(index, ((0, 0), (1, 1)), constant_values=OUTSIDE)
    windows = np.stack([around[:, :-2], around[:, 1:-1], around[:, 2:]], axis=-1)
    kernel = p["0.weight"].reshape(3 * channels, -1)
    convolved = rows(seen, windows).reshape(n, longest, -1) @ kernel
    there = index[np.arange(longest) < lengths[:, np.newaxis]]
    active = padded(scaled(normal(rows(convolved, there), 0), p, "1").relu(), lengths, longest)
    halves = lengths // 2
    pooled = largest(active.reshape(n, longest, 1, -1), (2, 1)).reshape(n, longest // 2, -1)
    back = turned(gru(turned(pooled, halves), halves, p, "4.backward"), halves)
    outputs = affine(side_by_side([gru(pooled, halves, p, "4.forward"), back]), p, "5")
    return [rows(outputs, np.arange(half) + sample * (longest // 2)) for sample, half in enumerate(halves)]


@cache
def ways(positions: int, labels: tuple[int, ...]) -> Array:
    """All that spell the labels, a unit for each position: repeated ones count once, blanks not."""
    every = itertools.product(range(BLANK + 1), repeat=positions)
    spelled = (way for way in every if tuple(unit for unit, _ in itertools.groupby(way) if unit != BLANK) == labels)
    return np.array([*spelled])


@dataclass(frozen=True)
class Spelled(Curve):
    """Labels in their order, at positions that nobody has told: the probabilities of all ways to spell them."""

    def loss(self) -> Loss:
        return Ctc()

    def terms(self, parameters: Parameters, rows: Array) -> tuple[Value, float]:
        total, labels = value(0.0), taken(self.targets, rows)
        for outputs, spelled in zip(self.outputs(parameters, taken(self.inputs, rows)), labels, strict=True):
            positions, units = outputs.data.shape
            powers = outputs.each(np.exp, np.exp)
            logarithms = (powers * powers.sum(-1).power(-1)).each(np.log, lambda x: 1 / x)
            index = ways(positions, tuple(spelled.tolist())) + np.arange(positions) * units
            chance = logarithms.pick(index).sum(-1).each(np.exp, np.exp).sum()
            total = total - chance.each(np.log, lambda x: 1 / x)
        return total.sum(), float(sum(map(len, labels)))


random = np.random.default_rng(1)
LENGTHS = random.integers(0, 9, SAMPLES)
TEXTS = RaggedArray(random.integers(0, 6, LENGTHS.sum()), np.concatenate([[0], np.cumsum(LENGTHS)]))
KINDS = np.array([(TEXTS.values[start:stop] == 2).sum() % 3 for start, stop in itertools.pairwise(TEXTS.offsets)])
DURATIONS, COUNTS = random.integers(6, 11, SAMPLES), random.integers(0, 3, SAMPLES)
SOUNDS = RaggedArray(random.normal(size=(DURATIONS.sum(), 3)), np.concatenate([[0], np.cumsum(DURATIONS)]))
SPELLINGS = RaggedArray(random.integers(0, BLANK, COUNTS.sum()), np.concatenate([[0], np.cumsum(COUNTS)]))
WORDS = Field((), "int", True, 6)

CURVES = {
    "lstm": Curve(
        WORDS,
        lambda: [Embedding(3), Lstm(4, bidirectional=True, states="last"), Dense(3)],
        reader, TEXTS, KINDS, (1.1824767694596483, 0.9782106409855981, 0.4932383273247932), group=BATCH,
    ),
    "text cnn": Curve(
        WORDS,
        lambda: [Embedding(4), TextCnn(3, [2, 3], "relu"), Dense(3)],
        finder, TEXTS, KINDS, (2.092946728531088, 0.7928760690397674, 0.1358991472773768), group=BATCH,
    ),
    "ctc": Spelled(
        Field((3,), ragged=True),
        lambda: [Conv1d(4, 3, bias=False), BatchNorm(), Activation("relu"), MaxPool(), Gru(3, bidirectional=True),
                 Dense(BLANK + 1)],
        listener, SOUNDS, SPELLINGS, (3.1414426756648735, 2.7143026429262216, 1.5706008158516636), group=8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
def test_every_step_has_the_loss_of_the_formulas(curve: Curve) -> None:
    check(curve)
