"""What a regression learns in place of its targets: values around 0. Undone in predictions and metrics."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dist_bp.data.arrays import place_at, values_of
from dist_bp.data.moments import Standard
from dist_bp.data.samples import RaggedArray
from dist_bp.errors import DataError
from dist_bp.types import Array, Shape

TransformName = Literal["standardize", "log", "log1p", "none"]
LEAST = {"log": 0.0, "log1p": -1.0}
"""What targets must be greater than."""


@dataclass(frozen=True)
class TargetTransform:
    """Each column of targets (n, ..., k), or its logarithm, with mean 0 and standard deviation 1; all in float64.

    Targets of any size are so learnt alike, and float32 keeps the digits in which they differ.
    """

    name: TransformName
    offset: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def learn(cls, name: TransformName, targets: Array) -> "TargetTransform":
        """Of the training split's targets (n, k); a constant column becomes 0. Raises DataError."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = _curve(name, targets.astype(np.float64))
        standard = Standard()
        standard.update(values)
        offset, scale = standard.result
        if not (np.isfinite(offset) & np.isfinite(scale)).all():
            largest = np.abs(targets).max()
            raise DataError(f"the targets are too large to be standardised (up to {largest:g}): divide them")
        return cls(name, tuple(offset.tolist()), tuple(scale.tolist()))

    def apply(self, targets: Array) -> Array:
        """Targets (n, ..., k) as they are learnt; raises DataError where one has no logarithm."""
        check_domain(self.name, targets)
        return (_curve(self.name, targets.astype(np.float64)) - self.offset) / self.scale

    def undo(self, values: Array) -> Array:
        """Outputs, or targets as they are learnt, (n, k) in the targets' own units."""
        with np.errstate(over="ignore"):
            own: Array = np.multiply(values, self.scale, dtype=np.float64) + self.offset
            if self.name == "log":
                return np.exp(own, out=own)
            return np.expm1(own, out=own) if self.name == "log1p" else own

    def fits(self, shape: Shape) -> bool:
        """Whether it is one of targets of this shape, and can be undone."""
        finite = all(map(math.isfinite, (*self.offset, *self.scale))) and min(self.scale, default=1) > 0
        return finite and (len(self.offset),) == (len(self.scale),) == shape[-1:]

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "offset": list(self.offset), "scale": list(self.scale)}


def check_domain(name: TransformName, targets: Array | RaggedArray) -> None:
    """Raises DataError naming the first of targets (n, ...) that has no logarithm."""
    if name not in LEAST:
        return
    values = values_of(targets)
    wrong = np.argwhere(values <= LEAST[name])
    if len(wrong):
        where = place_at(targets, wrong[0] if values.shape[1:] != (1,) else wrong[0][:1])
        raise DataError(
            f"the target {values[tuple(wrong[0])].item():g} in {where} has no {name}: that needs targets greater than "
            f"{LEAST[name]:g}, set data.target.transform to standardize{' or log1p' if name == 'log' else ''}"
        )


def _curve(name: TransformName, targets: Array) -> Array:
    if name == "log":
        return np.log(targets, out=targets)
    return np.log1p(targets, out=targets) if name == "log1p" else targets
