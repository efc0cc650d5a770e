"""Mean 0 and standard deviation 1."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.data.moments import Standard
from dist_bp.data.preprocess.affine import Affine, Per, spread
from dist_bp.data.preprocess.base import Blocks, InputName, Preprocessor, check_known
from dist_bp.data.preprocess.form import Columns, Form
from dist_bp.options import Doc


@dataclass(frozen=True)
class Standardize(Preprocessor):
    """Shift and scale each column to mean 0, standard deviation 1; a column that is constant becomes 0.

    Of images, or positions of several numbers, `per: channel` takes one mean and deviation for each number of the last
    axis, over all positions.
    """

    name = "standardize"
    columns: Annotated[Columns, Doc("Which columns; null: all numeric ones.")] = None
    per: Annotated[Per, Doc("What has statistics of its own: each element, or each channel of the last axis.")] = (
        "element"
    )
    input: InputName = None

    def fit(self, form: Form, blocks: Blocks) -> Affine:
        name = self.place(form)
        part, standard = form.inputs[name], Standard()
        for block in blocks():
            standard.update(spread(block.numbers(name), self.per, part))
        chosen = part.statistics(self.columns, self.per)
        offset, scale = (np.where(chosen, of, other) for of, other in zip(standard.result, (0.0, 1.0), strict=True))
        check_known(self.label, part, offset, scale)
        return Affine(offset, 1 / scale, None, name)
