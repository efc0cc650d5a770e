"""Mean 0 and standard deviation 1."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.data.moments import Extremes, Moments
from dist_bp.data.preprocess.affine import Affine
from dist_bp.data.preprocess.base import Blocks, Columns, Form, Preprocessor, check_known
from dist_bp.options import Doc


@dataclass(frozen=True)
class Standardize(Preprocessor):
    """Shift and scale each column to mean 0, standard deviation 1; a column that is constant becomes 0."""

    name = "standardize"
    columns: Annotated[Columns, Doc("Which columns; null: all numeric ones.")] = None

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
