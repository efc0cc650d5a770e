"""Each of some values."""

from dist_bp.tuning.spaces.base import Listed


class GridSpace(Listed):
    """Each of some values in turn."""
