"""The runs of new trials in a store that may fail for a while."""

import time
from collections.abc import Callable

from dist_bp.errors import TrackingError

STORE_SECONDS = 600.0
"""After which the sweep ends, to be gone on with."""
RETRY_SECONDS = 5.0


class NewRuns:
    """Makes the run of a trial by its number, or returns None where the store cannot be used at the moment.

    Those trials that run go on meanwhile. `warn` is told when the store begins to fail. Raises TrackingError once it
    has failed for `STORE_SECONDS`.
    """

    def __init__(self, make: Callable[[int], str], warn: Callable[[str], None]) -> None:
        self._make = make
        self._warn = warn
        self._failing_since: float | None = None
        self._next = 0.0

    def __call__(self, number: int) -> str | None:
        if time.monotonic() < self._next:
            return None
        try:
            run_id = self._make(number)
        except TrackingError as error:
            now = time.monotonic()
            if self._failing_since is None:
                self._failing_since = now
                self._warn(f"{error}; new trials wait for it, for {STORE_SECONDS:g} s at most")
            elif now - self._failing_since >= STORE_SECONDS:
                raise
            self._next = now + RETRY_SECONDS
            return None
        self._failing_since = None
        return run_id
