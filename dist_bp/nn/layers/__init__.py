"""The layers, one family a file."""

from dist_bp.nn.layers.activation import Activation
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.nn.layers.normalization import BatchNorm, LayerNorm
from dist_bp.nn.layers.residual import Residual
from dist_bp.nn.layers.sequential import Sequential
from dist_bp.nn.layers.shape import Flatten, Reshape

__all__ = [
    "Activation",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Flatten",
    "LayerNorm",
    "Reshape",
    "Residual",
    "Sequential",
]
