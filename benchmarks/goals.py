"""The goals, beside the better of each peer's variants: `python -m benchmarks.goals [--blocks N] [--show] [--docs]`.

Runs the dense networks beside their peers and their bound, and two of them between two hosts, which needs root and is
left out otherwise. Prints the tables that docs/performance.md has; `--show` prints those of the last run.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import __main__ as one_machine
from benchmarks import two_hosts
from benchmarks.comparison import Comparison, spread
from benchmarks.machine import describe_machine, in_words
from benchmarks.measures import BOUND_GOALS, DDP_GOALS, REFERENCE, SKLEARN_GOALS, TORCH_GOALS
from benchmarks.processes import BenchmarkError
from benchmarks.report import RESULTS, into_docs, markdown, plot, verdict
from benchmarks.works import WORKS

RESULT = "goals.json"
CHOSEN = ("small", "medium", "large", "large-adam")
DDP, BOUND = "PyTorch DDP, gloo, 2 x 1 thread", "2 workers, no synchronisation: the bound"
PEERS: dict[str, tuple[Sequence[str], Mapping[str, float]]] = {
    BOUND: (("unsynchronised",), BOUND_GOALS),
    DDP: (("ddp", "ddp_fused", "ddp_compiled"), DDP_GOALS),
    "PyTorch, 1 process, 2 threads": (("torch", "torch_fused", "torch_compiled"), TORCH_GOALS),
    "scikit-learn, 2 threads": (("sklearn", "sklearn_batches"), SKLEARN_GOALS),
    "parameter server of Ray's documentation": (("example",), {}),
}
"""The variants of each, and what dist_bp is to reach beside the better one, by work."""
Rates = Mapping[str, Sequence[float]]
"""Samples a second of each block, by measure."""


def better(rates: Rates, variants: Sequence[str]) -> str | None:
    """The variant with the highest median of those that were measured."""
    measured = [key for key in variants if key in rates]
    return max(measured, key=lambda key: median(rates[key]), default=None)


def cell(rates: Rates, variants: Sequence[str], goal: float | None) -> str:
    """How many times as fast dist_bp is, block by block, and whether that is the goal."""
    key = better(rates, variants)
    if key is None or goal is None:
        return "-"
    pairs = zip(rates[REFERENCE], rates[key], strict=True)
    ratios = [own / other for own, other in pairs]
    return f"{spread(ratios, '.2f')}, >= {goal:g} {verdict(goal, ratios)}"


def goals_table(one: Mapping[str, Rates], two: Mapping[str, Rates]) -> str:
    peers = {title: peer for title, peer in PEERS.items() if peer[1]}
    rows = [("dist_bp beside", *peers)]
    for key, rates in one.items():
        cells = [cell(rates, variants, goals.get(key)) for variants, goals in peers.values()]
        rows.append((WORKS[key].title, *cells))
    for key, rates in two.items():
        goals = {DDP: two_hosts.GOALS[key]}
        cells = [cell(rates, variants, goals.get(title)) for title, (variants, _) in peers.items()]
        rows.append((f"{WORKS[key].title}, two hosts", *cells))
    return markdown(rows)


def rates_table(one: Mapping[str, Rates]) -> str:
    """Median samples a second of dist_bp and of the better variant of each."""
    everyone = {"dist_bp, 2 workers": (REFERENCE,)} | {title: variants for title, (variants, _) in PEERS.items()}
    rows = [("samples a second", *(WORKS[key].title for key in one))]
    for title, variants in everyone.items():
        found = [(rates, better(rates, variants)) for rates in one.values()]
        rows.append((title, *(f"{median(rates[key]):,.0f}" if key else "" for rates, key in found)))
    return markdown(rows)


def chosen_variants(one: Mapping[str, Rates]) -> str:
    """Which variant was the better one, where a peer has several."""
    peers = [variants for variants, _ in PEERS.values() if len(variants) > 1]
    return "; ".join(
        f"{WORKS[key].title}: {', '.join(best for variants in peers if (best := better(rates, variants)))}"
        for key, rates in one.items()
    )


def text(figures: Mapping[str, Any]) -> str:
    """The tables, and what they are of."""
    one, two = figures["one"], figures["two"]
    how = f"{figures['blocks']} blocks of {figures['seconds']:g} s; {in_words(figures['machine'])}."
    variants = f"The better variants: {chosen_variants(one)}."
    return "\n\n".join([goals_table(one, two), rates_table(one), f"{variants} {how}"])


def measure(options: argparse.Namespace) -> tuple[list[Comparison], list[Comparison]]:
    """On one machine, and on two hosts where that can be."""
    works = options.work.split(",")
    only = ["dist_bp", "ddp", "torch", "sklearn", "ray", "bound"]
    common = {"blocks": options.blocks, "seconds": options.seconds, "servers": "auto"}
    one = one_machine.run(argparse.Namespace(work=works, only=only, **common))
    between = [key for key in works if key in two_hosts.GOALS]
    two: list[Comparison] = []
    if os.geteuid() != 0:
        print("two hosts are left out: network namespaces need root", file=sys.stderr)
    elif between:
        two = two_hosts.run(argparse.Namespace(work=",".join(between), **common))
    return one, two


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.goals")
    parser.add_argument("--work", default=",".join(CHOSEN), help=f"some of {','.join(CHOSEN)}")
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a block of one contender")
    parser.add_argument("--show", action="store_true", help="the tables of the last run")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/performance.md, too")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if unknown := set(options.work.split(",")) - {*CHOSEN}:
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(CHOSEN)}")
    path = options.results / RESULT
    if not options.show:
        try:
            one, two = measure(options)
        except BenchmarkError as error:
            sys.exit(f"error: {error}")
        options.results.mkdir(parents=True, exist_ok=True)
        plot(one, options.results / "comparison.png")
        figures = {
            "machine": describe_machine(),
            "blocks": options.blocks,
            "seconds": options.seconds,
            "one": {found.work.key: found.rates for found in one},
            "two": {found.work.key: found.rates for found in two},
        }
        path.write_text(json.dumps(figures, indent=1) + "\n")
    told = text(json.loads(path.read_text()))
    print(told)
    if options.docs:
        into_docs("performance.md", "goals", told)


if __name__ == "__main__":
    main()
