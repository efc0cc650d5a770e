"""A fixed range."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.data.moments import Extremes
from dist_bp.data.preprocess.affine import Affine, Per, spread
from dist_bp.data.preprocess.base import Blocks, InputName, Preprocessor, check_known
from dist_bp.data.preprocess.form import Columns, Form
from dist_bp.errors import OptionError
from dist_bp.options import Doc


@dataclass(frozen=True)
class MinMax(Preprocessor):
    """Shift and scale each column to the range low to high; a column that is constant becomes low."""

    name = "min_max"
    low: Annotated[float, Doc("What the smallest training value becomes.")] = 0.0
    high: Annotated[float, Doc("What the largest training value becomes.")] = 1.0
    columns: Annotated[Columns, Doc("Which columns; null: all numeric ones.")] = None
    per: Annotated[Per, Doc("What has a range of its own: each element, or each channel of the last axis.")] = "element"
    input: InputName = None

    def __post_init__(self) -> None:
        if self.high <= self.low:
            raise OptionError("high", f"must be greater than low ({self.low:g}), got {self.high:g}")

    def fit(self, form: Form, blocks: Blocks) -> Affine:
        name = self.place(form)
        part, extremes = form.inputs[name], Extremes()
        for block in blocks():
            extremes.update(spread(block.numbers(name), self.per, part))
        chosen = part.statistics(self.columns, self.per)
        least = np.where(chosen, extremes.low, 0.0)
        with np.errstate(over="ignore"):
            extent = np.where(chosen, extremes.high - least, 1.0)
        check_known(self.label, part, least, extent)
        span = self.high - self.low
        extent = np.where(extent < np.finfo(np.float64).tiny * max(1.0, span), 1.0, extent)
        factor = np.where(chosen, span / extent, 1.0)
        return Affine(least, factor, np.where(chosen, self.low, 0.0), name)
