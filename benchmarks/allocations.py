"""Whether a step allocates nothing after the first ones: `python -m benchmarks.allocations`.

Workers and servers are threads of one process here. A lease within one epoch is watched by tracemalloc, to which NumPy
reports its arrays, and then another by the kernel's count of page faults.
"""

import resource
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.dist_bp_runs import ThreadRun
from benchmarks.works import WORKS, Work, write_inputs

WORKERS = 2
SERVERS = 2
REPETITIONS = 5
ALLOWED_BYTES = 96 * 2**10
"""In all four threads together: Python's small objects, and the buffers in which NumPy casts 8192 elements at a time;
none of it grows with the network or the batch."""
NOTED_BYTES = 512
"""What the report of a lease may hold for each step: moments, losses, counts."""
ALLOWED_FAULTS = 1.0


def peak_bytes(run: Callable[[], None]) -> int:
    """How far the traced memory rises above where it was while `run` runs."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def page_faults(run: Callable[[], None]) -> int:
    """Page faults of this process, of all its threads, that were served from memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def measure(work: Work) -> tuple[int, int, float]:
    """Steps of a lease, the least of the peaks of some leases, and the median of their page faults a step."""
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(work, Path(folder))
        run = ThreadRun(work, Path(folder), WORKERS, SERVERS)
        try:
            run.train(run.steps_per_epoch)
            steps = run.steps_per_epoch - 1  # the first one draws the order of the epoch
            peaks, faults = [], []
            for watch, figures in ((peak_bytes, peaks), (page_faults, faults)):
                for _ in range(REPETITIONS):
                    run.train(1)
                    figures.append(watch(lambda: run.train(steps)))
        finally:
            run.close()
    return steps, min(peaks), median(faults) / steps


def main() -> None:
    print(f"{'work':32}{'steps':>8}{'peak, bytes':>14}{'page faults a step':>20}")
    missed = []
    for work in WORKS.values():
        steps, peak, faults = measure(work)
        print(f"{work.title:32}{steps:8}{peak:14,}{faults:20.2f}")
        if peak > ALLOWED_BYTES + NOTED_BYTES * steps or faults > ALLOWED_FAULTS:
            missed.append(work.title)
    allowed = f"{ALLOWED_BYTES:,} bytes a lease, {NOTED_BYTES} bytes and {ALLOWED_FAULTS:g} page faults a step"
    if missed:
        sys.exit(f"MISSED ({allowed}): {'; '.join(missed)}")
    print(f"met: not above {allowed}")


if __name__ == "__main__":
    main()
