"""A constant factor."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.data.preprocess.affine import Affine
from dist_bp.data.preprocess.base import Blocks, InputName, Preprocessor
from dist_bp.data.preprocess.form import Form
from dist_bp.options import Doc, Positive


@dataclass(frozen=True)
class Scale(Preprocessor):
    """Multiply all numbers by a constant, such as pixels by 1/255."""

    name = "scale"
    factor: Annotated[Positive, Doc("The constant.")] = 1 / 255
    input: InputName = None

    def fit(self, form: Form, blocks: Blocks) -> Affine:
        name = form.find(self.input)
        part = form.inputs[name]
        factor = np.where(part.chosen(None), self.factor, 1.0) if part.indicators else np.array(self.factor)
        return Affine(None, factor, None, name)
