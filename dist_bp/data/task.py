"""What is predicted, where the configuration does not say it: told by the loss or metrics, else by the targets."""

from dataclasses import dataclass

import numpy as np

from dist_bp.data.inputs import row_at
from dist_bp.data.samples import RaggedArray
from dist_bp.errors import DataError
from dist_bp.types import Array, Task

FEW_SAMPLES = 20
"""Below this many samples, even whole numbers that are mostly different are taken for classes."""


@dataclass(frozen=True)
class TaskHint:
    """A task that follows from something else than `data.task`: `cause` in the words of a message."""

    task: Task
    cause: str


def infer_task(targets: Array | RaggedArray, hint: TaskHint | None = None, named: bool = False) -> Task:
    """The task of targets (n, ...): what the `hint` says; without one, floats are a regression, all else classes.

    `named` says that the source names the classes. Raises DataError where the targets contradict the hint, or where
    whole numbers or texts hardly repeat, so that to take them for classes would be a guess.
    """
    if isinstance(targets, RaggedArray):
        return hint.task if hint else ("regression" if targets.values.dtype.kind == "f" else "classification")
    if hint is None:
        if targets.dtype.kind == "f":
            return "regression"
        if targets.ndim > 1:
            return "classification" if np.isin(targets, (0, 1)).all() else "regression"
    elif hint.task == "regression":
        _check_amounts(targets, hint, named)
        return "regression"
    elif targets.ndim > 1:
        return "classification"
    elif targets.dtype.kind == "f":
        _check_whole(targets, hint)
    if not named:
        _check_repeats(targets, hint)
    return "classification"


def _check_amounts(targets: Array, hint: TaskHint, named: bool) -> None:
    if targets.dtype.kind not in "biuf":
        what = "truth values" if np.isin(targets, ("False", "True")).all() else "text"
        raise DataError(
            f"the targets are {what} ({targets.flat[0].item()!r} in {row_at(0)}), but {hint.cause} is for numbers: "
            "use cross_entropy to predict classes"
        )
    if named:
        raise DataError(
            f"the targets are classes, which the source names, but {hint.cause} is for numbers: use cross_entropy, "
            "or set data.task: regression"
        )


def _check_whole(targets: Array, hint: TaskHint) -> None:
    fractions = np.flatnonzero(targets != np.floor(targets))
    if len(fractions):
        raise DataError(
            f"the target {targets[fractions[0]]:g} in {row_at(fractions[0])} is no class, as it is not a whole number, "
            f"but {hint.cause} is for classes: use mse, mae or huber to predict numbers"
        )


def _check_repeats(targets: Array, hint: TaskHint | None) -> None:
    distinct = len(np.unique(targets))
    if len(targets) < FEW_SAMPLES or distinct <= len(targets) // 2:
        return
    found = f"the targets hold {distinct} different values in {len(targets)} samples"
    reason = f", and {hint.cause} takes each of them for a class" if hint else ""
    numbers = targets.dtype.kind in "iuf"
    remedy = "set data.task: regression and a loss such as mse to predict numbers, or " if numbers else ""
    raise DataError(f"{found}{reason}: {remedy}set data.task: classification if they are classes")
