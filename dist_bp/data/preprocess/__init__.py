"""Preprocessing steps: fitted on the training split block by block, saved with the model."""

from dist_bp.data.preprocess.affine import Affine, MinMax, Scale, Standardize
from dist_bp.data.preprocess.base import Blocks, Form, Preprocessor, Transform
from dist_bp.data.preprocess.impute import Fill, Impute
from dist_bp.data.preprocess.one_hot import Indicators, OneHot

__all__ = [
    "Affine",
    "Blocks",
    "Fill",
    "Form",
    "Impute",
    "Indicators",
    "MinMax",
    "OneHot",
    "Preprocessor",
    "Scale",
    "Standardize",
    "Transform",
]
