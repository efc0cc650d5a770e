"""How long people wait for a command: `python -m benchmarks.waits [--runs N] [--only NAME,...] [--beside CHECKOUT]`.

Each command runs as people type it, in a folder in which it has run before, so that data and database are there. With
another checkout beside it, that has its own `.venv`, both take turns. A time is that of the whole process.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.comparison import spread
from benchmarks.machine import describe_machine, in_words
from benchmarks.report import RESULTS

ROOT = Path(__file__).parent.parent
SECONDS = 300.0
JOB = "configs/digits.yaml"


@dataclass(frozen=True)
class Wait:
    """A command, of the model of the last training, and in how many seconds it should be done."""

    arguments: Callable[["Place"], Sequence[str]]
    goal: float | None = None
    needs_head: bool = False


WAITS = {
    "help": Wait(lambda place: ["--help"]),
    "validate": Wait(lambda place: ["validate", JOB]),
    "train in process": Wait(lambda place: ["train", JOB, "scaling.num_workers=0", "--json"], 4.0),
    "train on Ray": Wait(lambda place: ["train", JOB, "--json"], 9.0),
    "train on a head that is up": Wait(lambda place: ["train", JOB, "ray.address=auto", "--json"], 5.0, True),
    "evaluate": Wait(lambda place: ["evaluate", place.model], 2.5),
    "evaluate by MLflow's URI": Wait(lambda place: ["evaluate", place.uri], 2.5),
    "predict": Wait(
        lambda place: ["predict", place.model, "--input", "rows.npy", "--output", "out.csv", "--force"], 2.5
    ),
}


class Place:
    """A folder to work in with the commands of one checkout."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self._command = [str(checkout / ".venv/bin/python"), "-m", "dist_bp"]
        self._folder = folder
        self._environment = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
        self.model = self.uri = ""
        shutil.copytree(checkout / "configs", folder / "configs")
        np.save(folder / "rows.npy", np.random.default_rng(0).integers(0, 17, (500, 64)))

    def run(self, arguments: Sequence[str]) -> tuple[float, float]:
        """Seconds, and seconds of processors as far as the command's own processes were waited for."""
        before, begun = _processor_seconds(), time.perf_counter()
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        seconds = time.perf_counter() - begun
        if done.returncode:
            sys.exit(f"{' '.join(arguments)}: {done.stderr}")
        if arguments[0] == "train":
            result = json.loads(done.stdout.splitlines()[-1])
            self.model, self.uri = result["model"], result["model_uri"]
        return seconds, _processor_seconds() - before


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(
    places: dict[str, Place], names: Sequence[str], runs: int
) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """For each command and checkout the seconds of each run."""
    for place in places.values():
        place.run(WAITS["train in process"].arguments(place))  # a model, and the prepared data
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for name in names:
        wait = WAITS[name]
        found[name] = {title: [] for title in places}
        for place in places.values():
            if wait.needs_head:
                place.run(["cluster", "up"])
            place.run(wait.arguments(place))
        for turn in range(runs):
            for title in reversed(places) if turn % 2 else places:
                found[name][title].append(places[title].run(wait.arguments(places[title])))
        for place in places.values() if wait.needs_head else ():
            place.run(["cluster", "down"])
        print(_told(name, found[name]), flush=True)
    return found


def _told(name: str, found: dict[str, list[tuple[float, float]]]) -> str:
    """A row for each checkout."""
    lines = []
    for title, runs in found.items():
        seconds, goal = [run[0] for run in runs], WAITS[name].goal
        verdict = "" if goal is None else f"<= {goal:g} s: {'met' if median(seconds) <= goal else 'MISSED'}"
        processors = median(run[1] for run in runs)
        lines.append(f"{name:27} {title:8} {spread(seconds, '.2f')} s, {processors:.2f} s of processors  {verdict}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waits")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default=",".join(WAITS))
    parser.add_argument("--beside", type=Path, help="another checkout with a .venv of its own")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    checkouts = {"here": ROOT} | ({"beside": options.beside.resolve()} if options.beside else {})
    with tempfile.TemporaryDirectory() as name:
        places = {title: Place(checkout, _made(Path(name) / title)) for title, checkout in checkouts.items()}
        found = measure(places, options.only.split(","), options.runs)
    machine = describe_machine()
    print(in_words(machine))
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / "waits.json"
    before = json.loads(path.read_text())["seconds"] if path.exists() else {}  # of commands that are not measured now
    goals = {name: wait.goal for name, wait in WAITS.items()}
    path.write_text(json.dumps({"machine": machine, "goals": goals, "seconds": before | found}, indent=1) + "\n")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
