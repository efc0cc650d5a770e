"""The comparison: `python -m benchmarks [--work W,...] [--blocks N] [--servers N] [--only C,...]`."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

from benchmarks import report
from benchmarks.comparison import Comparison, compare
from benchmarks.machine import describe_machine
from benchmarks.measures import CONTENDERS, MEASURES, groups, runnable
from benchmarks.processes import BenchmarkError
from benchmarks.works import WORKS, Work, servers


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="dist_bp beside its peers and bounds")
    parser.add_argument("--blocks", type=int, default=7, help="blocks that count, besides one that warms up")
    parser.add_argument("--seconds", type=float, default=0.7, help="length of a block of one contender")
    parser.add_argument("--work", type=several(WORKS), default=list(WORKS), help=f"some of {','.join(WORKS)}")
    parser.add_argument("--servers", type=servers, default="auto", help="processes of dist_bp that are servers alone")
    parser.add_argument(
        "--only", type=several(CONTENDERS), default=list(CONTENDERS), help=f"some of {','.join(CONTENDERS)}"
    )
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the JSON and the plot")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> list[Comparison]:
    specs = groups(options.servers, "ray" in options.only)
    measures = runnable([measure for measure in MEASURES if measure.contender in options.only], specs)
    comparisons = []
    for key in options.work:
        work: Work = WORKS[key]
        print(f"{work.title} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            mine = [measure for measure in measures if measure.runs(work)]
            comparisons.append(compare(work, mine, specs, Path(folder), options.blocks, options.seconds))
    return comparisons


def main() -> None:
    options = parse()
    try:
        comparisons = run(options)
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
    machine = describe_machine()
    print(report.table(comparisons))
    print()
    print(report.footnotes(comparisons, machine))
    options.results.mkdir(parents=True, exist_ok=True)
    told = {"blocks": options.blocks, "seconds": options.seconds, "servers": options.servers}
    (options.results / "comparison.json").write_text(report.as_json(comparisons, machine, told) + "\n")
    report.plot(comparisons, options.results / "comparison.png")


def several(known: Collection[str]) -> Callable[[str], list[str]]:
    def parse_list(text: str) -> list[str]:
        names = text.split(",")
        if wrong := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(wrong)}; choose from {', '.join(known)}")
        return names

    return parse_list


if __name__ == "__main__":
    main()
