"""Every combination of the values once."""

from dist_bp.tuning.searches.base import SearchOptions


class GridSearch(SearchOptions):
    """Every combination of the values once."""
