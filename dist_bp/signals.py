"""What a sample is, and what a batch of samples is: one vocabulary for rows, images, sequences and several inputs.

A `Spec` describes one sample, the batch axis is never part of it; a `Signal` is a batch of what a spec describes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.types import Array, Shape


@dataclass(frozen=True)
class Field:
    """One array of a sample.

    Args:
        shape: of a sample; of one position where the field is ragged, as samples then differ in their number.
        kind: floats, which are of the model's dtype, or int64.
        ragged: whether samples have a first axis of different lengths.
        count: whole numbers lie in 0..count-1; None: not known, or floats.
        unseen: the whole number that stands for all that training has not seen, if there is one.
        longest: of ragged samples the most positions, where that is known. It makes no other field.
    """

    shape: Shape
    kind: Literal["float", "int"] = "float"
    ragged: bool = False
    count: int | None = None
    unseen: int | None = None
    longest: int | None = field(default=None, compare=False)

    def shaped(self, shape: Shape) -> "Field":
        """A field of floats with another shape, as ragged as this one."""
        return Field(shape, "float", self.ragged, longest=self.longest)

    def __str__(self) -> str:
        """For people: 28 x 28, or "any x 40" for samples of any length."""
        text = " x ".join(["any"] * self.ragged + [str(size) for size in self.shape]) or "scalar"
        return text if self.kind == "float" else f"{text}, whole numbers"


Spec = Field | Mapping[str, Any]
"""A field, or named ones: a tree with fields for leaves."""


class Ragged(NamedTuple):
    """Samples of different lengths: `values` (n, longest, ...) and `lengths` (n,).

    Values beyond a sample's length are finite and mean nothing; the gradients there are 0.
    """

    values: Array
    lengths: Array


Signal = Any
"""An array (n, *shape), a `Ragged`, or a dict of named signals: the same tree as the spec."""


POSITIONS = 256
"""Of a ragged sample, where nothing tells how long the longest is."""

WANTED = {
    "float": ("numbers", "put {type: embedding} before it"),
    "int": (
        "whole numbers",
        "make some with {type: categories} or {type: integers}, of a text with {type: tokenize}, in data.preprocess",
    ),
}
"""What a layer takes of a kind, and what to do where it is of the other."""


def one_field(spec: Spec, who: str, kind: str = "float", ragged: bool = True) -> Field:
    """The field that a layer works on. Raises ShapeError where `spec` is none, or one of another kind."""
    if not isinstance(spec, Field):
        raise ShapeError(
            f"{who} takes one input, here are {len(spec)} ({', '.join(spec)}): bring them together with "
            "{type: branches}"
        )
    if spec.kind != kind:
        words, remedy = WANTED[kind]
        raise ShapeError(f"{who} takes {words}, its input is {spec}: {remedy}")
    if spec.ragged and not ragged:
        raise ShapeError(
            f"{who} takes samples of one length, its input is {spec}: give the samples one length, or keep to layers "
            "that take each position by itself, such as dense"
        )
    return spec


def one_sequence(spec: Spec, who: str) -> Field:
    """As `one_field`, of a layer that works on positions of some channels each; raises ShapeError for other samples."""
    found = one_field(spec, who)
    if len(found.shape) + found.ragged != 2:
        raise ShapeError(
            f"{who} takes samples of shape (positions, channels), its input is {found}: bring them there with "
            "{type: reshape}"
        )
    return found


def numbers_in(spec: Spec) -> int:
    """How many numbers a sample has: of a ragged one the longest, or one of `POSITIONS` where that is not known."""
    if isinstance(spec, Mapping):
        return sum(numbers_in(one) for one in spec.values())
    return math.prod(spec.shape) * (longest_of(spec) if spec.ragged else 1)


def longest_of(spec: Spec) -> int:
    """The most positions of a ragged sample, or `POSITIONS` where that is not known."""
    if isinstance(spec, Mapping):
        return max((longest_of(one) for one in spec.values()), default=POSITIONS)
    return spec.longest or POSITIONS


def samples_in(signal: Signal) -> int:
    """How many samples a signal holds."""
    if isinstance(signal, Ragged):
        return len(signal.lengths)
    if isinstance(signal, Mapping):
        return samples_in(next(iter(signal.values())))
    return len(signal)


def with_lengths(signal: Signal) -> tuple[Array, Array]:
    """The values (n, positions, ...) of sequences, and how long each is (n,)."""
    if isinstance(signal, Ragged):
        return signal.values, signal.lengths
    return signal, np.full(len(signal), signal.shape[1])


def misfit(signal: Signal, spec: Spec, dtype: Any) -> str | None:
    """Why a signal is not what the spec describes; None where it is."""
    if isinstance(spec, Mapping):
        if not isinstance(signal, Mapping) or [*signal] != [*spec]:
            return f"the inputs {', '.join(spec)}"
        return next((found for name in spec if (found := misfit(signal[name], spec[name], dtype))), None)
    wanted = dtype if spec.kind == "float" else "int64"
    array = signal.values if isinstance(signal, Ragged) else signal
    if isinstance(signal, Ragged) != spec.ragged or not hasattr(array, "dtype"):
        return f"samples of {spec}"
    shape = array.shape[1 + spec.ragged :]
    if array.dtype != wanted or shape != spec.shape:
        return f"samples of {spec} in {wanted}, got {spec.shaped(shape)} in {array.dtype}"
    return None
