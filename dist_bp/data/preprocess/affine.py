"""standardize, min_max and scale: each column is shifted and scaled."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dist_bp.data.inputs import Block
from dist_bp.data.moments import Extremes, Moments
from dist_bp.data.preprocess.base import (
    Blocks,
    Columns,
    Form,
    Preprocessor,
    Transform,
    check_known,
    from_json,
    to_json,
)
from dist_bp.types import Array


@dataclass(frozen=True)
class Affine(Transform):
    """numbers -> (numbers - offset) * factor + shift, in float64; None leaves a term out."""

    kind = "affine"
    offset: Array | None
    factor: Array
    shift: Array | None

    def transform(self, block: Block) -> Block:
        if self.offset is not None:
            block.numbers -= self.offset
        block.numbers *= self.factor
        if self.shift is not None:
            block.numbers += self.shift
        return block

    def to_dict(self) -> dict[str, Any]:
        terms = {"offset": self.offset, "factor": self.factor, "shift": self.shift}
        return {name: None if term is None else to_json(term) for name, term in terms.items()}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        offset, shift = (None if state[name] is None else from_json(state[name]) for name in ("offset", "shift"))
        return cls(offset, from_json(state["factor"]), shift)


@dataclass(frozen=True)
class Standardize(Preprocessor):
    """(x - mean) / standard deviation of the column; a column that is constant becomes 0."""

    name = "standardize"
    columns: Columns = None

    def fit(self, form: Form, blocks: Blocks) -> Affine:
        moments, extremes = Moments(), Extremes()
        for block in blocks():
            with np.errstate(over="ignore", invalid="ignore"):
                moments.update(block.numbers)
                extremes.update(block.numbers)
        chosen = form.chosen(self.columns)
        constant = (extremes.low == extremes.high) | (moments.deviation == 0)
        deviation = np.where(constant, 1.0, moments.deviation)
        check_known(self.label, form, np.where(chosen, moments.mean, 0), np.where(chosen, deviation, 1))
        mean = np.where(constant, extremes.low, moments.mean)
        return Affine(np.where(chosen, mean, 0.0), 1 / np.where(chosen, deviation, 1.0), None)


@dataclass(frozen=True)
class MinMax(Preprocessor):
    """Maps the column's smallest training value to `low`, its largest to `high`; a constant column becomes `low`."""

    name = "min_max"
    low: float = 0.0
    high: float = 1.0
    columns: Columns = None

    def fit(self, form: Form, blocks: Blocks) -> Affine:
        extremes = Extremes()
        for block in blocks():
            extremes.update(block.numbers)
        chosen = form.chosen(self.columns)
        least = np.where(chosen, extremes.low, 0.0)
        with np.errstate(over="ignore"):
            extent = np.where(chosen, extremes.high - least, 1.0)
        check_known(self.label, form, least, extent)
        extent = np.where(extent < np.finfo(np.float64).tiny, 1.0, extent)
        factor = np.where(chosen, (self.high - self.low) / extent, 1.0)
        return Affine(least, factor, np.where(chosen, self.low, 0.0))


@dataclass(frozen=True)
class Scale(Preprocessor):
    """x * factor."""

    name = "scale"
    factor: float = 1 / 255
    columns = None

    def fit(self, form: Form, blocks: Blocks) -> Affine:
        return Affine(None, np.where(form.chosen(None), self.factor, 1.0), None)
