"""What an update is made of."""

from typing import NamedTuple

from dist_bp.data.samples import Amount
from dist_bp.ps.tree import Summation


class Contribution(NamedTuple):
    """What makes an update: how the slots of its shares are added, and which slot of each it is.

    `scale` turns the sum of the slots into an average by weight, `sample_scale` into one over samples. `fraction` is
    the part of a whole update that it makes, by weight; `sample_fraction` that of the running statistics.
    """

    summation: Summation
    slot: int
    scale: float = 1.0
    sample_scale: float = 1.0
    fraction: float = 1.0
    sample_fraction: float = 1.0

    def of_part(self, part: Amount, whole: Amount, alone: bool) -> "Contribution":
        """The same where the slots, divided by the weight of `whole`, are of a `part` of it.

        What is missing was dropped, or makes updates of its own (`alone`).
        """
        if part.samples == whole.samples:
            return self
        by_samples = part.samples / whole.samples
        by_weight = part.weight / whole.weight if whole.weight else by_samples
        return self._replace(
            scale=whole.weight / part.weight if part.weight else 0.0,
            sample_scale=whole.samples / part.samples if part.samples else 0.0,
            fraction=by_weight if alone else 1.0,
            sample_fraction=by_samples if alone or not part.samples else 1.0,
        )
