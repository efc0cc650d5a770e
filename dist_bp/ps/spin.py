"""Adaptive spinning: when a wait looks again and again, and when it sleeps."""

import time

SPIN_SECONDS = 2e-4
"""How long a waiting process looks before it sleeps, since waking one on another core takes some 40 us."""


class AdaptiveSpin:
    """Looking pays in short waits alone: who looks keeps others from the processor, and these may be whom it waits for.

    So a wait looks only where the one before was shorter than SPIN_SECONDS.
    """

    def __init__(self) -> None:
        self._brief = True
        self._begun = 0.0

    def begin(self) -> float:
        """Begins a wait; returns the moment of `time.perf_counter()` until which it looks."""
        self._begun = time.perf_counter()
        return self._begun + SPIN_SECONDS if self._brief else self._begun

    def end(self) -> None:
        self._brief = time.perf_counter() - self._begun < SPIN_SECONDS
