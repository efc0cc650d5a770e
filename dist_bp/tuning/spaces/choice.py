"""One of some values."""

from dist_bp.tuning.spaces.base import Listed


class ChoiceSpace(Listed):
    """One of some values."""
