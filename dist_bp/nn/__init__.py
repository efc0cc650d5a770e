"""Networks in NumPy: layers, losses, and the model that lays their parameters out in one flat vector."""

from dist_bp.groups import Group
from dist_bp.nn.activations import ACTIVATIONS, ActivationFunction, activation_function
from dist_bp.nn.context import Context
from dist_bp.nn.decoding import Decoder
from dist_bp.nn.gradient_check import check_gradients
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import INITIALIZERS, Initializer, initializer
from dist_bp.nn.layer import Declaration, Layer, Parameter, Statistic
from dist_bp.nn.layers.sequential import Sequential
from dist_bp.nn.layout import Entry, Layout, aligned_zeros
from dist_bp.nn.losses.base import Loss
from dist_bp.nn.model import LayerSummary, Model
from dist_bp.nn.types import Backward, Views
from dist_bp.signals import Field, Ragged, Signal, Spec, one_field
from dist_bp.types import Array, Shape

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "ActivationFunction",
    "Array",
    "Backward",
    "Context",
    "Declaration",
    "Decoder",
    "Entry",
    "Field",
    "Gradients",
    "Group",
    "Initializer",
    "Layer",
    "LayerSummary",
    "Layout",
    "Loss",
    "Model",
    "Parameter",
    "Ragged",
    "Sequential",
    "Shape",
    "Signal",
    "Spec",
    "Statistic",
    "Views",
    "activation_function",
    "aligned_zeros",
    "check_gradients",
    "initializer",
    "one_field",
]
