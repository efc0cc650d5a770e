"""Whether a step allocates nothing after the first ones: `python -m benchmarks.allocations [--work W,...]`.

Workers and servers are threads of one process here. A lease within one epoch is watched by tracemalloc, to which NumPy
reports its arrays, and then another by the kernel's count of page faults.
"""

import argparse
import resource
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.__main__ import several
from benchmarks.dist_bp_runs import ThreadRun
from benchmarks.works import WORKS, Work, write_inputs

WORKERS = 2
SERVERS = 2
REPETITIONS = 5
STEPS = 32
"""Of a lease; its epoch has one more, the first, which draws the order."""
ALLOWED_BYTES = (WORKERS + SERVERS) * 96 * 2**10
"""Of the threads together: the buffers that NumPy takes for arrays with gaps and casts, 8192 elements of up to three
operands, and Python's small objects; none of it grows with the network or the batch. Works of texts may take more: the
sparse products of SciPy come in new arrays, which grow with the batch, and cost no page faults."""
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


def measure(work: Work) -> tuple[int, float]:
    """The least of the peaks of some leases, and the median of their page faults a step."""
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(work, Path(folder), (STEPS + 1) * work.batch)
        run = ThreadRun(work, Path(folder), WORKERS, SERVERS)
        try:
            run.train(1 + STEPS)
            peaks, faults = [], []
            for watch, figures in ((peak_bytes, peaks), (page_faults, faults)):
                for _ in range(REPETITIONS):
                    run.train(1)
                    figures.append(watch(lambda: run.train(STEPS)))
        finally:
            run.close()
    return min(peaks), median(faults) / STEPS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.allocations")
    parser.add_argument("--work", type=several(WORKS), default=list(WORKS), help=f"some of {','.join(WORKS)}")
    works = [WORKS[key] for key in parser.parse_args().work]
    print(f"{'work':52}{'peak, bytes':>14}{'page faults a step':>20}")
    missed = []
    for work in works:
        peak, faults = measure(work)
        print(f"{work.title:52}{peak:14,}{faults:20.2f}")
        grows = work.kind != "texts" and peak > ALLOWED_BYTES + NOTED_BYTES * STEPS
        if grows or faults > ALLOWED_FAULTS:
            missed.append(work.title)
    allowed = f"{ALLOWED_BYTES:,} bytes a lease, {NOTED_BYTES} bytes and {ALLOWED_FAULTS:g} page faults a step"
    if missed:
        sys.exit(f"MISSED ({allowed}): {'; '.join(missed)}")
    print(f"met: not above {allowed}")


if __name__ == "__main__":
    main()
