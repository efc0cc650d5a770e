"""Independent draws; of grid spaces every combination for each draw."""

from dist_bp.tuning.searches.base import SearchOptions


class RandomSearch(SearchOptions):
    """Independent draws; of grid spaces every combination for each draw."""
