"""Who is late when: the patterns of straggling that `stragglers` injects."""

from typing import Literal

import numpy as np

Pattern = Literal["none", "fixed", "wandering"]
PATTERNS: tuple[Pattern, ...] = ("none", "fixed", "wandering")

WORKERS = 4
STRAGGLER = 1
SECONDS = 0.2
FRACTION = 0.1
BLOCK = 40
"""Each block of so many calls has the same number of late ones, so that short runs have their part, too."""
SEED = 11


def late_calls(pattern: Pattern, calls: int) -> dict[int, frozenset[int]]:
    """The late ones among the first `calls` gradients of each worker.

    Both patterns are late at the same places: `fixed` the same worker each time, `wandering` each in its turn.
    """
    late: dict[int, set[int]] = {rank: set() for rank in range(WORKERS)}
    generator = np.random.default_rng(SEED)
    for first in range(0, calls, BLOCK):
        places = first + generator.choice(BLOCK, round(FRACTION * BLOCK), replace=False)
        for turn, place in enumerate(places.tolist()):
            if pattern != "none":
                late[STRAGGLER if pattern == "fixed" else turn % WORKERS].add(place)
    return {rank: frozenset(places) for rank, places in late.items()}
