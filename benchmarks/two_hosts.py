"""dist_bp beside PyTorch DDP between two hosts: `python -m benchmarks.two_hosts [--blocks N] [--seconds S]`.

The hosts are network namespaces of this machine joined by virtual network cards, one worker of one thread on each; Ray
runs a node on each. Needs root, and takes everything down again. See README.md.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.comparison import Comparison, compare, spread
from benchmarks.hosts import ADDRESSES, Hosts
from benchmarks.machine import describe_machine, in_words
from benchmarks.measures import REFERENCE, GroupSpec, Measure, compiled, runnable
from benchmarks.processes import BenchmarkError
from benchmarks.report import RESULTS, markdown, verdict
from benchmarks.works import WORKS, servers

PORT = 6379
START_SECONDS = 60.0
GOALS = {"small": 4.0, "medium": 1.4}
MEASURES = (
    Measure(REFERENCE, "dist_bp, 1 worker a host", "dist_bp", "dist_bp", losses="run"),
    Measure("ddp", "PyTorch DDP, gloo, 1 process a host", "ddp", "ddp", losses="run", goals=GOALS),
    Measure("ddp_fused", "the same, fused optimizer", "ddp", "ddp", "run_fused", losses="run_fused", goals=GOALS),
    compiled("ddp", GOALS),
)


def start_ray(hosts: Hosts, folder: Path) -> str:
    """A Ray node of one CPU on each host; returns its address."""
    address = f"{ADDRESSES[0]}:{PORT}"
    ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1"]
    ray += ["--object-store-memory=150000000", "--disable-usage-stats"]
    head = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={folder / 'r'}"]
    open_door = {"RAY_AUTH_MODE": "disabled"}  # nothing but the two hosts is on their network
    log = (folder / "ray.log").open("wb")
    hosts.start(0, [*ray, *head, f"--node-ip-address={ADDRESSES[0]}"], log, open_door)
    _await_port(hosts)
    hosts.start(1, [*ray, f"--address={address}", f"--node-ip-address={ADDRESSES[1]}"], log, open_door)
    return address


def _await_port(hosts: Hosts) -> None:
    knock = f"import socket; socket.create_connection(({ADDRESSES[0]!r}, {PORT}), 1).close()"
    deadline = time.monotonic() + START_SECONDS
    while not hosts.run(0, [sys.executable, "-c", knock]):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"Ray did not start within {START_SECONDS:.0f} s")
        time.sleep(0.5)


def table(comparisons: Sequence[Comparison]) -> str:
    rows = [("work (global batch)", "contender", "samples/s, median (range)", "ratio, median (range)", "goal", "")]
    for comparison in comparisons:
        title = comparison.work.title
        for measure in (measure for measure in MEASURES if measure.key in comparison.rates):
            rate = spread(comparison.rates[measure.key], ",.0f")
            if measure.key == REFERENCE:
                rows.append((title, measure.title, rate, "", "", ""))
                continue
            ratios, goal = comparison.ratios(REFERENCE, measure.key), measure.goals[comparison.work.key]
            rows.append(("", measure.title, rate, spread(ratios, ".2f"), f">= {goal:g}", verdict(goal, ratios)))
    return markdown(rows)


def run(options: argparse.Namespace) -> list[Comparison]:
    comparisons = []
    for key in options.work.split(","):
        print(f"{WORKS[key].title} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="b") as name, Hosts() as hosts:
            folder = Path(name)
            address = start_ray(hosts, folder)
            two_nodes = {"host": hosts.names[0], "address": address, "servers": options.servers}
            contenders, on_hosts = "benchmarks.contenders", {"hosts": hosts.names}
            specs = {
                "dist_bp": GroupSpec(f"{contenders}.on_two_nodes:OnTwoNodes", 1, 1, arguments=two_nodes),
                "ddp": GroupSpec(f"{contenders}.pytorch_on_hosts:PyTorchOnHost", 2, 1, ("torch",), on_hosts),
            }
            comparisons.append(
                compare(WORKS[key], runnable(MEASURES, specs), specs, folder, options.blocks, options.seconds)
            )
    return comparisons


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.two_hosts")
    parser.add_argument("--work", default=",".join(GOALS), help=f"some of {','.join(GOALS)}")
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--servers", type=servers, default="auto", help="processes of a node that are servers alone")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if unknown := set(options.work.split(",")) - GOALS.keys():
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(GOALS)}")
    try:
        comparisons = run(options)
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
    machine = describe_machine()
    print(table(comparisons))
    print(in_words(machine))
    options.results.mkdir(parents=True, exist_ok=True)
    figures = {"machine": machine, "servers": options.servers, "works": [found.summary() for found in comparisons]}
    (options.results / "two_hosts.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
