"""A constant factor."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.data.preprocess.affine import Affine
from dist_bp.data.preprocess.base import Blocks, Form, Preprocessor
from dist_bp.options import Doc, Positive


@dataclass(frozen=True)
class Scale(Preprocessor):
    """Multiply all numbers by a constant, such as pixels by 1/255."""

    name = "scale"
    factor: Annotated[Positive, Doc("The constant.")] = 1 / 255
    columns = None

    def fit(self, form: Form, blocks: Blocks) -> Affine:
        return Affine(None, np.where(form.chosen(None), self.factor, 1.0), None)
