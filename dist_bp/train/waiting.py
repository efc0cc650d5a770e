"""Processes that are formed anew once there is room for them."""

import time
from collections.abc import Callable

from dist_bp.errors import CapacityError, UserError
from dist_bp.processes import patience
from dist_bp.runtime.base import Runtime

LOOK_SECONDS = 0.25


def form_once_there_is_room(
    runtime: Runtime, form: Callable[[], None], tell: Callable[[str], None], check: Callable[[], None]
) -> None:
    """Calls `form` when there is enough for the processes, and again where that has gone meanwhile.

    `tell` hears, once, what is lacking, and `check` is called every moment: it may raise what ends the waiting. Raises
    CapacityError where there is no room after `ray.start_seconds` in all, and what `form` raises.
    """
    deadline, told = time.monotonic() + patience(runtime.plan.config.ray.start_seconds), False
    while True:
        while lacking := runtime.lacking:
            if not told:
                tell(lacking)
            told = True
            check()
            if time.monotonic() > deadline:
                raise CapacityError(lacking)
            time.sleep(LOOK_SECONDS)
        try:
            return form()
        except UserError:
            if time.monotonic() > deadline or not runtime.lacking:
                raise
