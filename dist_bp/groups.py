"""Groups: the fixed parts of a global batch that data hands out and layers draw and average over."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Samples that share dropout masks and batch statistics: at least one row.

    `index` numbers the groups of the global batch, `start` and `stop` are rows of the arrays at hand.
    """

    index: int
    start: int
    stop: int
