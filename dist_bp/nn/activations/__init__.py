"""The activation functions, one a file, and their names."""

from collections.abc import Mapping
from typing import Annotated

from dist_bp.errors import ConfigError
from dist_bp.nn.activations.base import ActivationFunction
from dist_bp.nn.activations.elu import Elu
from dist_bp.nn.activations.gelu import Gelu
from dist_bp.nn.activations.leaky_relu import LeakyRelu
from dist_bp.nn.activations.relu import Relu
from dist_bp.nn.activations.sigmoid import Sigmoid
from dist_bp.nn.activations.silu import Silu
from dist_bp.nn.activations.softplus import Softplus
from dist_bp.nn.activations.tanh import Tanh
from dist_bp.options import OneOf

__all__ = ["ACTIVATIONS", "ActivationFunction", "ActivationName", "activation_function"]

ACTIVATIONS: Mapping[str, type[ActivationFunction]] = {
    "relu": Relu,
    "leaky_relu": LeakyRelu,
    "elu": Elu,
    "gelu": Gelu,
    "silu": Silu,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "softplus": Softplus,
}
ActivationName = Annotated[str, OneOf(ACTIVATIONS)]


def activation_function(choice: str | ActivationFunction) -> ActivationFunction:
    """The function itself, or that of a name with its default options. Raises ConfigError for another name."""
    if isinstance(choice, ActivationFunction):
        return choice
    if choice not in ACTIVATIONS:
        raise ConfigError(f"there is no activation {choice!r}: use one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[choice]()
