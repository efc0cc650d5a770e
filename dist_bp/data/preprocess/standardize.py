"""Mean 0 and standard deviation 1."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.data.moments import Standard
from dist_bp.data.preprocess.affine import Affine
from dist_bp.data.preprocess.base import Blocks, Columns, Form, Preprocessor, check_known
from dist_bp.options import Doc


@dataclass(frozen=True)
class Standardize(Preprocessor):
    """Shift and scale each column to mean 0, standard deviation 1; a column that is constant becomes 0."""

    name = "standardize"
    columns: Annotated[Columns, Doc("Which columns; null: all numeric ones.")] = None

    def fit(self, form: Form, blocks: Blocks) -> Affine:
        standard = Standard()
        for block in blocks():
            standard.update(block.numbers)
        chosen = form.chosen(self.columns)
        offset, scale = (np.where(chosen, of, other) for of, other in zip(standard.result, (0.0, 1.0), strict=True))
        check_known(self.label, form, offset, scale)
        return Affine(offset, 1 / scale, None)
