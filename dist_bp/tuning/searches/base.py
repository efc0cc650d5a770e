"""What each is told has this base."""

from dist_bp.component import Component


class SearchOptions(Component):
    """A way of finding values."""
