"""Groups of channels that layers handle apart."""

import math

from dist_bp.errors import ShapeError
from dist_bp.messages import plural


def check_groups(kind: str, groups: int, channels: int, filters: int = 0) -> None:
    """Raises ShapeError with the numbers of groups that there can be: they divide the channels, and the filters."""
    if channels % groups == 0:
        return
    most = math.gcd(channels, filters)
    fitting = [str(number) for number in range(1, most + 1) if most % number == 0]
    raise ShapeError(
        f"{kind}: its {groups} groups must divide the {plural(channels, 'channel')}: "
        f"set groups to {' or '.join(fitting)}"
    )
