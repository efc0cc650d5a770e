"""What an update is made of."""

from typing import NamedTuple

from dist_bp.data.samples import Amount


class Contribution(NamedTuple):
    """Whose slots make an update: the places of shares among this node's, their slot, and all nodes that have any.

    `scale` turns the sum of the slots into an average by weight, `sample_scale` into one over samples. `fraction` is
    the part of a whole update that it makes, by weight; `sample_fraction` that of the running statistics.
    """

    shares: tuple[int, ...]
    slot: int
    nodes: tuple[int, ...]
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
