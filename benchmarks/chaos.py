"""What faults cost: `python -m benchmarks.chaos [--minutes M] [--every SECONDS,...] [--hang-seconds S] [--spares N]`.

A random worker of two is killed (SIGKILL), or one time in four stopped (SIGSTOP), every so many seconds, drawn between
half and one and a half of that. The same steps are then made again with nothing happening, from the same parameters, by
the same Ray: what was kept is the ratio of the two paces, and both must end at the same SHA-256.
"""

import argparse
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.chaos_plot import plot
from benchmarks.dist_bp_runs import RayRun
from benchmarks.machine import describe_machine, in_words
from benchmarks.report import RESULTS
from benchmarks.works import SEED, WORKS, write_inputs

WORK = WORKS["medium"]
WORKERS = 2
LEASE_STEPS = 100
WARM_STEPS = 400
STOPPED = 0.25
"""The part of the faults that are hangs."""
TICK_SECONDS = 0.5
BEGUN, RELEASED = 0, 3
"""Moments of a worker's gradient."""


@dataclass
class Course:
    """What happened in a training: seconds since its beginning."""

    samples: list[tuple[float, float]] = field(default_factory=list)
    """Since when, and how many."""
    faults: list[tuple[float, str]] = field(default_factory=list)
    to_next_update: list[tuple[float, str]] = field(default_factory=list)
    """Seconds from a fault, and what it was."""
    to_full_strength: list[tuple[float, str]] = field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0
    sha256: str = ""

    @property
    def pace(self) -> float:
        """Samples a second."""
        return self.steps * WORK.batch / self.seconds


class Faults:
    """A thread that draws a worker and a moment, again and again, while everybody is there."""

    def __init__(self, run: RayRun, every: float, course: Course, began: float) -> None:
        self._run = run
        self._every = every
        self._course = course
        self._began = began
        self._random = random.Random(SEED)
        self._pids: list[int] = []
        self._ended = threading.Event()
        self.open: tuple[float, str] | None = None
        """The fault that the training has not recovered from, if there is one: when it was, and what."""
        self._thread = threading.Thread(target=self._cause, daemon=True)
        self._thread.start()

    def know(self, pids: list[int]) -> None:
        self._pids = pids

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _cause(self) -> None:
        while not self._ended.wait(self._every * self._random.uniform(0.5, 1.5)):
            while self.open or len(self._pids) < WORKERS:
                if self._ended.wait(0.05):
                    return
            stops = self._random.random() < STOPPED
            pid = self._random.choice(self._pids)
            self._pids = []
            self.open = (time.time(), "stopped" if stops else "killed")
            self._course.faults.append((self.open[0] - self._began, self.open[1]))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if stops else signal.SIGKILL)


def disturbed(run: RayRun, seconds: float, every: float) -> Course:
    """A training of so many seconds with faults."""
    course, began = Course(), time.time()
    faults = Faults(run, every, course, began)
    faults.know(run.worker_pids())
    waits: tuple[float, str] | None = None
    missing = False
    while time.time() - began < seconds or faults.open:
        at = time.time()
        report, lost, joined = run.disturbed(LEASE_STEPS)
        note(course, at - began, report)
        if waits and report.steps:
            course.to_next_update.append((moment(report, RELEASED) - waits[0], waits[1]))
            waits = None
        if lost:
            waits, missing = faults.open, True
        if joined and missing and faults.open:
            course.to_full_strength.append((moment(report, BEGUN) - faults.open[0], faults.open[1]))
            faults.open, missing = None, False
            faults.know(run.worker_pids())
    faults.end()
    course.seconds, course.sha256 = time.time() - began, run.sha256()
    return course


def undisturbed(run: RayRun, steps: int) -> Course:
    course, began = Course(), time.time()
    while course.steps < steps:
        at = time.time()
        report, _, _ = run.disturbed(min(LEASE_STEPS, steps - course.steps))
        note(course, at - began, report)
    course.seconds, course.sha256 = time.time() - began, run.sha256()
    return course


def moment(report: Any, which: int) -> float:
    """That of a worker's first gradient, of a lease with some, in seconds since 1970."""
    return min(float(worker.times[0, which]) + worker.clock for worker in report.workers if len(worker.times))


def note(course: Course, at: float, report: Any) -> None:
    course.samples.append((at, float(report.counts.sum())))
    course.steps += report.steps


def measure(seconds: float, every: float, hang_seconds: float, spares: int) -> tuple[Course, Course]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(WORK, folder)
        failure = {"hang_seconds": hang_seconds, "spare_workers": spares}
        run = RayRun(WORK, folder, WORKERS, "auto", failure=failure)
        try:
            run.train(WARM_STEPS)
            while len(run.spare_pids()) < spares:
                run.train(LEASE_STEPS)
            for pid in run.spare_pids():
                waiting = psutil.Process(pid).memory_full_info().pss / 2**20
                print(f"a spare that waits takes {waiting:.0f} MiB, its part of what is shared included")
            run.restart()
            shaken = disturbed(run, seconds, every)
            run.restart()
            return shaken, undisturbed(run, shaken.steps)
        finally:
            run.close()


def summary(every: float, shaken: Course, calm: Course) -> dict[str, Any]:
    killed = [seconds for seconds, how in shaken.to_next_update if how == "killed"]
    stopped = [seconds for seconds, how in shaken.to_next_update if how == "stopped"]
    return {
        "every": every,
        "faults": len(shaken.faults),
        "seconds": shaken.seconds,
        "steps": shaken.steps,
        "samples_per_second": [shaken.pace, calm.pace],
        "kept": shaken.pace / calm.pace,
        "next_update_after_death": killed,
        "next_update_after_hang": stopped,
        "full_strength_after_death": [seconds for seconds, how in shaken.to_full_strength if how == "killed"],
        "full_strength_after_hang": [seconds for seconds, how in shaken.to_full_strength if how == "stopped"],
        "same_sha256": shaken.sha256 == calm.sha256,
        "course": {"samples": shaken.samples, "faults": shaken.faults},
    }


def told(found: dict[str, Any], hang_seconds: float) -> str:
    def spread(values: list[float]) -> str:
        return f"{median(values):.2f} s ({max(values):.2f} s at worst)" if values else "none"

    paces = " of ".join(f"{pace:,.0f}" for pace in found["samples_per_second"])
    died, hung = spread(found["next_update_after_death"]), spread(found["next_update_after_hang"])
    whole_after = spread(found["full_strength_after_death"]), spread(found["full_strength_after_hang"])
    return (
        f"a fault every {found['every']:g} s: {found['faults']} in {found['seconds']:.0f} s, {found['kept']:.1%} of "
        f"the pace kept ({paces} samples/s); to the next update after a death {died}, after a hang (of "
        f"{hang_seconds:g} s) {hung}; to full strength {whole_after[0]}, and {whole_after[1]}; "
        f"{'the same' if found['same_sha256'] else 'ANOTHER'} SHA-256"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos")
    parser.add_argument("--minutes", type=float, default=3.0, help="of each training with faults")
    parser.add_argument("--every", default="29,5", help="seconds between faults, of each training")
    parser.add_argument("--hang-seconds", type=float, default=1.0, help="failure.hang_seconds")
    parser.add_argument("--spares", type=int, default=1, help="failure.spare_workers")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    found = []
    for every in map(float, options.every.split(",")):
        shaken, calm = measure(60 * options.minutes, every, options.hang_seconds, options.spares)
        found.append(summary(every, shaken, calm))
        print(told(found[-1], options.hang_seconds), flush=True)
    machine = describe_machine()
    print(in_words(machine))
    options.results.mkdir(parents=True, exist_ok=True)
    settings = {"hang_seconds": options.hang_seconds, "spare_workers": options.spares}
    figures = {"machine": machine, "work": WORK.title, **settings, "courses": found}
    (options.results / "chaos.json").write_text(json.dumps(figures, indent=1) + "\n")
    plot(
        found, f"{WORK.title}, {WORKERS} workers on {machine['cpus']} CPUs", TICK_SECONDS, options.results / "chaos.png"
    )


if __name__ == "__main__":
    main()
