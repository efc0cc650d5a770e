"""What a checkpoint keeps of the way to it, so that whoever trains it again can compare every step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from dist_bp.data import Batches
from dist_bp.types import Array

KEPT = 10_000
"""So many steps, the newest ones: 80 kB."""
LOSSES, EPOCHS, ORDERS = "trail/losses", "trail/epochs", "trail/orders"
KINDS = [(np.dtype(kind), axes) for kind, axes in ((np.float64, 1), (np.int64, 1), (np.uint8, 2))]
DIGEST_BYTES = 32


@dataclass
class Trail:
    """`losses` (steps,) are the mean losses of the newest steps, the last one that of `step`; `orders` has by epoch,
    from 0, the digest of the order of samples of each that these steps belong to."""

    step: int = 0
    losses: Array = field(default_factory=lambda: np.empty(0))
    orders: dict[int, bytes] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """The first of its steps."""
        return self.step - len(self.losses) + 1

    def add(self, losses: Array, weights: Array, batches: Batches) -> None:
        """Of further steps the sums of the losses (steps,), and what they are divided by."""
        with np.errstate(invalid="ignore", divide="ignore"):  # samples that all have the weight 0
            means = losses / weights
        self.step += len(losses)
        self.losses = np.append(self.losses, means)[-KEPT:]
        length = batches.steps_per_epoch
        epochs = range((self.first - 1) // length, (self.step - 1) // length + 1) if len(self.losses) else range(0)
        self.orders = {epoch: self.orders.get(epoch) or batches.digest(epoch) for epoch in epochs}

    def losses_of(self, first: int, last: int) -> Array:
        """Those of the steps first ... last that it has, from the end."""
        start = max(first, self.first)
        return self.losses[start - self.first : max(last - self.first + 1, 0)]

    def arrays(self) -> dict[str, Array]:
        """For a checkpoint of its last step."""
        digests = np.frombuffer(b"".join(self.orders.values()), np.uint8).reshape(-1, DIGEST_BYTES)
        return {LOSSES: self.losses, EPOCHS: np.array([*self.orders], np.int64), ORDERS: digests}

    @classmethod
    def of(cls, arrays: Mapping[str, Array], step: int) -> Self:
        """That of the checkpoint of `step`: empty where it was written without. Raises ValueError."""
        if LOSSES not in arrays:
            return cls(step)
        losses, epochs, orders = (arrays.get(name, np.empty(0)) for name in (LOSSES, EPOCHS, ORDERS))
        kinds = [(array.dtype, array.ndim) for array in (losses, epochs, orders)]
        if kinds != KINDS or len(losses) > step or orders.shape != (len(epochs), DIGEST_BYTES):
            raise ValueError("the losses and orders of its steps are not what they should be")
        digests = (row.tobytes() for row in orders)
        return cls(step, losses, dict(zip(epochs.tolist(), digests, strict=True)))
