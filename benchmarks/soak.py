"""Whether a run that lasts stays as it is: `python -m benchmarks.soak [--steps N] [--faults N] [--spares N]`.

A small network is trained by two workers, one of which is killed or stopped at drawn moments, again and again. Whenever
all are there again, memory (the proportional set size), descriptors and threads of the driver, the keeper, the workers
and the spare are looked at. They are flat where those of the last quarter are those of the first.
"""

import argparse
import json
import os
import random
import signal
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.dist_bp_runs import RayRun
from benchmarks.machine import describe_machine, in_words
from benchmarks.report import RESULTS
from benchmarks.works import SEED, WORKS, write_inputs

WORK = WORKS["small"]
WORKERS = 2
LEASE_STEPS = 100
STOPPED = 0.25
"""The part of the faults that are hangs."""
SETTLED = 6
"""The faults after which looks count: workers that came with Ray have been replaced, as all later ones are."""
GROWTH = 1.03
"""What memory of the last quarter may be of that of the first: a process that has just begun has touched less."""


@dataclass(frozen=True)
class Look:
    """What a process took at a moment: bytes, descriptors, threads."""

    step: int
    faults: int
    who: str
    memory: int
    descriptors: int
    threads: int


def looks(run: RayRun, step: int, faults: int) -> list[Look]:
    found = []
    spares = {f"spare {index}": pid for index, pid in enumerate(run.spare_pids())}
    for who, pid in {"driver": os.getpid(), **run.pids(), **spares}.items():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            memory = process.memory_full_info().pss
            found.append(Look(step, faults, who, memory, process.num_fds(), process.num_threads()))
    return found


def soak(run: RayRun, steps: int, faults: int, spares: int) -> list[Look]:
    """Trains for at least so many steps and faults."""
    draw = random.Random(SEED)
    found: list[Look] = []
    step = happened = 0
    while step < steps or happened < faults:
        pids = run.worker_pids()
        if len(pids) == WORKERS and len(run.spare_pids()) == spares:
            found += looks(run, step, happened)
            number = signal.SIGSTOP if draw.random() < STOPPED else signal.SIGKILL
            threading.Timer(draw.uniform(0, 0.1), end, (draw.choice(pids), number)).start()
            happened += 1
            lost: list[int] = []
            while not lost:
                report, lost, _ = run.disturbed(LEASE_STEPS)
                step += report.steps
        report, _, _ = run.disturbed(LEASE_STEPS)
        step += report.steps
    return found


def end(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it was taken for one that hangs
        os.kill(pid, number)


def compared(found: Sequence[Look]) -> list[dict[str, Any]]:
    """Medians of the first and the last quarter, a row for each process and measure."""
    rows: list[dict[str, Any]] = []
    for who in dict.fromkeys(look.who for look in found):
        own = [look for look in found if look.who == who and look.faults >= SETTLED]
        quarter = max(len(own) // 4, 1)
        for what, growth in {"memory": GROWTH, "descriptors": 1.0, "threads": 1.0}.items():
            first, last = (median(getattr(look, what) for look in part) for part in (own[:quarter], own[-quarter:]))
            rows.append({"who": who, "what": what, "first": first, "last": last, "flat": last <= growth * first})
    return rows


def told(row: dict[str, Any]) -> str:
    unit = (lambda value: f"{value / 2**20:.1f} MiB") if row["what"] == "memory" else "{:g}".format
    flat = "flat" if row["flat"] else "NOT FLAT"
    return f"{row['who']:10} {row['what']:12} {unit(row['first']):>10} -> {unit(row['last']):>10}   {flat}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--steps", type=int, default=10_000, help="at least")
    parser.add_argument("--faults", type=int, default=40, help=f"at least; those after the first {SETTLED} count")
    parser.add_argument("--spares", type=int, default=1, help="failure.spare_workers")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(WORK, folder)
        failure = {"hang_seconds": 1, "spare_workers": options.spares}
        run = RayRun(WORK, folder, WORKERS, "auto", failure=failure)
        try:
            found = soak(run, options.steps, options.faults, options.spares)
        finally:
            run.close()
    rows, machine = compared(found), describe_machine()
    print(f"{found[-1].step:,} steps, {found[-1].faults} faults; medians of the first and of the last quarter")
    print("\n".join(map(told, rows)))
    print(in_words(machine))
    options.results.mkdir(parents=True, exist_ok=True)
    figures = {"machine": machine, "work": WORK.title, "rows": rows, "looks": [astuple(look) for look in found]}
    (options.results / "soak.json").write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
