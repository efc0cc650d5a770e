"""Optimizers: update rules on flat slices, learning-rate schedules, clipping and weight decay."""

from dist_bp.optim.plateau import Plateau
from dist_bp.optim.rules import Adagrad, Adam, Lion, RmsProp, Rule, Sgd, Slice
from dist_bp.optim.schedules import Constant, Cosine, Exponential, Linear, OneCycle, Schedule, StepDecay
from dist_bp.optim.updater import Updater

__all__ = [
    "Adagrad",
    "Adam",
    "Constant",
    "Cosine",
    "Exponential",
    "Linear",
    "Lion",
    "OneCycle",
    "Plateau",
    "RmsProp",
    "Rule",
    "Schedule",
    "Sgd",
    "Slice",
    "StepDecay",
    "Updater",
]
