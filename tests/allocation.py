"""What code allocates."""

import gc
import tracemalloc
from collections.abc import Callable


def takes_less(nbytes: int, prepare: Callable[[], Callable[[], object]]) -> bool:
    """Whether what `prepare` returns takes less memory than this while it runs, from tracemalloc.

    One of three times is enough: threads that other tests have left, Ray's, may allocate meanwhile.
    """
    return any(peak_bytes(prepare()) < nbytes for _ in range(3))


def peak_bytes(action: Callable[[], object]) -> int:
    gc.disable()  # what others have left would run its own ends meanwhile
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()
