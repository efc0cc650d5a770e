"""What `dist-bp plan` says beside what is measured: `python -m benchmarks.forecast [--work W,...] [--rounds N]`.

Each job runs on one node of two workers and on two hosts of one (network namespaces, see hosts.py), and is planned for
both; for two nodes also by a `plan` that has one processor, and so can measure none of two. A forecast is held against
the mean of what is measured right before and right after it, since the machine's speed drifts. The hosts need root;
without it, or with `--only one`, one node is all.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, median

import yaml

from benchmarks.comparison import calibrate, spread, started
from benchmarks.dist_bp_runs import configuration
from benchmarks.hosts import Hosts
from benchmarks.machine import describe_machine, in_words
from benchmarks.measures import REFERENCE, WORKERS, GroupSpec, Measure
from benchmarks.processes import BenchmarkError, Group
from benchmarks.report import RESULTS, into_docs, markdown
from benchmarks.two_hosts import start_ray
from benchmarks.works import WORKS, Work, write_inputs

PLAN_SECONDS = 600.0
WITHIN = 0.15
PLACES = {"one": 1, "two": 2, "unseen": 2}
"""How many nodes there are; `unseen` ones are forecast from one node alone."""
BASIS = {"one": "the same (repeatability)", "two": "the same (repeatability)", "unseen": "1 x 1"}
"""What `plan` measures for a forecast."""
CHOSEN = ("small", "medium", "large-adam", "cnn", "lstm")
SAMPLES = {"medium": 2, "small": 1}
"""The works of which the manual has what `plan` prints, and the workers of a node."""
MEASURE = Measure(REFERENCE, "dist_bp", "dist_bp", "dist_bp", losses="run")


@dataclass
class Outcome:
    """Samples a second of a job in a place: forecasts, and what was measured around each."""

    work: str
    place: str
    forecast: list[float] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [said / found for said, found in zip(self.forecast, self.measured, strict=True)]

    @property
    def holds(self) -> bool:
        return abs(median(self.ratios) - 1) <= WITHIN


@contextmanager
def running(work: Work, nodes: int, folder: Path) -> Iterator[Group]:
    """The job with its processes, two workers in all."""
    contenders = "benchmarks.contenders"
    if nodes == 1:
        spec = GroupSpec(f"{contenders}.on_ray:OnRay", 1, 1, arguments={"servers": "auto", "example": False})
        with started(work, [MEASURE], {"dist_bp": spec}, folder / "one") as opened:
            yield opened["dist_bp"]
        return
    with tempfile.TemporaryDirectory(prefix="b") as name, Hosts() as hosts:
        arguments = {"host": hosts.names[0], "address": start_ray(hosts, Path(name)), "servers": "auto"}
        spec = GroupSpec(f"{contenders}.on_two_nodes:OnTwoNodes", 1, 1, arguments=arguments)
        with started(work, [MEASURE], {"dist_bp": spec}, folder / "two") as opened:
            yield opened["dist_bp"]


def plan(work: Work, workers: int, folder: Path, *options: str, alone: bool = False) -> str:
    """What `dist-bp plan` prints of a work whose nodes have so many workers, each with its half of the batch; `alone`
    on one processor."""
    settings = configuration(work, folder, WORKERS, "auto")
    settings["train"]["batch_size"] = work.batch * workers // WORKERS
    settings["scaling"]["num_workers"] = workers
    (folder / "job.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "dist_bp", "plan", str(folder / "job.yaml"), *options]
    if alone:
        command = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PLAN_SECONDS, check=False)
    if done.returncode:
        raise BenchmarkError(f"plan ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def planned(work: Work, place: str, folder: Path) -> float:
    """The samples a second of its nodes with nothing between them."""
    nodes = PLACES[place]
    options = ["--nodes", str(nodes), "--nic", "1000Gb", "--latency-us", "0", "--json"]
    said = plan(work, WORKERS // nodes, folder, *options, alone=place == "unseen")
    found = {prediction["nodes"]: prediction for prediction in json.loads(said)["predictions"]}
    return float(found[nodes]["samples_per_second"])


def sample(key: str, workers: int) -> str:
    """What `plan` prints for up to 256 nodes, as a block of the manual."""
    work = WORKS[key]
    with tempfile.TemporaryDirectory() as name:
        write_inputs(work, Path(name))
        said = plan(work, workers, Path(name), "--nodes", "256", "--nic", "10Gb")
    return textwrap.indent(said.rstrip().replace("\n\n", "\n"), "    ")


def write_samples() -> None:
    for key, workers in SAMPLES.items():
        into_docs("scaling.md", f"forecast, {key}", sample(key, workers))


def compare(work: Work, place: str, rounds: int, seconds: float) -> Outcome:
    """Measures and plans in turn, and measures once more at the end."""
    outcome, nodes = Outcome(work.title, place), PLACES[place]
    with tempfile.TemporaryDirectory() as name, running(work, nodes, Path(name)) as group:
        folder = Path(name) / ("one", "two")[nodes - 1]
        steps = calibrate(group, MEASURE, seconds)

        def pace() -> float:
            return work.batch * steps / group.timed("run", 0, steps)

        before = pace()
        for _ in range(rounds):
            said, after = planned(work, place, folder), pace()
            outcome.forecast.append(said)
            outcome.measured.append(mean((before, after)))
            print(f"{place}: {said:,.0f} / {before:,.0f} ... {after:,.0f}", file=sys.stderr, flush=True)
            before = after
    return outcome


def table(outcomes: list[Outcome]) -> str:
    figures = ("forecast, samples/s", "measured", "forecast / measured", "15 %")
    rows = [("work (global batch)", "nodes x workers", "forecast from", *figures)]
    for outcome in outcomes:
        said, found = (spread(values, ",.0f") for values in (outcome.forecast, outcome.measured))
        nodes = PLACES[outcome.place]
        place = f"{nodes} x {WORKERS // nodes}"
        verdict = "holds" if outcome.holds else "MISSED"
        rows.append((outcome.work, place, BASIS[outcome.place], said, found, spread(outcome.ratios, ".2f"), verdict))
    return markdown(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast")
    parser.add_argument("--work", default=",".join(CHOSEN), help=f"some of {','.join(WORKS)}")
    parser.add_argument("--only", choices=PLACES, help="one node, two, or two of which plan sees one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of what is measured before and after a plan")
    parser.add_argument(
        "--docs",
        action="store_true",
        help="write the table, and samples of what plan prints, into docs/scaling.md, too",
    )
    parser.add_argument("--samples", action="store_true", help="write nothing but the samples there")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if unknown := set(options.work.split(",")) - WORKS.keys():
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(WORKS)}")
    if options.samples:
        write_samples()
        return
    places = [options.only] if options.only else [name for name in PLACES if name == "one" or os.geteuid() == 0]
    outcomes = []
    try:
        for key in options.work.split(","):
            for place in places:
                print(f"{WORKS[key].title}, {place} ...", file=sys.stderr, flush=True)
                outcomes.append(compare(WORKS[key], place, options.rounds, options.seconds))
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
    machine = describe_machine()
    told = f"{table(outcomes)}\n\n{options.rounds} plans each; {in_words(machine)}."
    print(told)
    if options.docs:
        into_docs("scaling.md", "forecast", told)
        write_samples()
    options.results.mkdir(parents=True, exist_ok=True)
    figures = {"machine": machine, "jobs": [asdict(outcome) for outcome in outcomes]}
    (options.results / "forecast.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
