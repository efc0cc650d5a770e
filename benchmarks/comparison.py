"""One work, all contenders: the same losses first, then blocks in turn."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measures import REFERENCE, GroupSpec, Measure
from benchmarks.processes import BenchmarkError, Group
from benchmarks.works import Array, Work, write_inputs

CHECKED_STEPS = 50
TOLERANCE = 1e-4
PAUSE_SECONDS = 0.05
"""Between two contenders, so that the threads of the one before have gone to sleep."""


@dataclass
class Comparison:
    """The outcome. `rates` are samples per second of each block; `losses` are those of the batch after
    CHECKED_STEPS steps and `differences` the largest relative ones of all losses up to it, from the reference's."""

    work: Work
    rates: dict[str, list[float]] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    threads: dict[str, dict[str, int]] = field(default_factory=dict)

    def ratios(self, upper: str, lower: str) -> list[float]:
        """Of the rates of two measures, block by block."""
        pairs = zip(self.rates[upper], self.rates[lower], strict=True)
        return [above / below for above, below in pairs]

    def summary(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "work": self.work.title,
            "parameters": self.work.parameters,
            "steps_per_block": self.steps,
            "samples_per_second": self.rates,
            "threads": self.threads,
            f"loss_after_{CHECKED_STEPS}_steps": self.losses,
            "largest_relative_difference": self.differences,
        }


def compare(
    work: Work,
    measures: Sequence[Measure],
    specs: dict[str, GroupSpec],
    folder: Path,
    blocks: int,
    seconds: float,
) -> Comparison:
    """Measures blocks of about `seconds` each. Raises BenchmarkError where two that run the same algorithm differ."""
    outcome, checked = Comparison(work), work.without_dropout
    if checked != work:
        with started(checked, measures, specs, folder / "checked") as opened:
            agree(outcome, measures, opened)
    with started(work, measures, specs, folder / "measured") as opened:
        if checked == work:
            agree(outcome, measures, opened)
        take_turns(outcome, measures, opened, blocks, seconds)
    return outcome


@contextmanager
def started(
    work: Work, measures: Sequence[Measure], specs: dict[str, GroupSpec], folder: Path
) -> Iterator[dict[str, Group]]:
    """The processes of the measures by the names of their groups; `folder` is made."""
    folder.mkdir()
    write_inputs(work, folder)
    with ExitStack() as stack:
        opened: dict[str, Group] = {}
        for name in dict.fromkeys(measure.group for measure in measures):
            spec = specs[name]
            arguments = {"work": work, "folder": folder, **spec.arguments}
            opened[name] = stack.enter_context(Group(spec.factory, spec.size, spec.threads, arguments, spec.variables))
        yield opened


def take_turns(
    outcome: Comparison, measures: Sequence[Measure], opened: dict[str, Group], blocks: int, seconds: float
) -> None:
    """Adds the rates of blocks of about `seconds` each."""
    for measure in measures:
        outcome.steps[measure.key] = calibrate(opened[measure.group], measure, seconds)
    outcome.threads = {name: group.threads() for name, group in opened.items()}
    done = dict.fromkeys(outcome.steps, CHECKED_STEPS + 1)
    for block in range(-1, blocks):  # the first one warms up
        for measure in measures if block % 2 else reversed(measures):
            steps = outcome.steps[measure.key]
            time.sleep(PAUSE_SECONDS)
            taken = opened[measure.group].timed(measure.method, done[measure.key], steps, members=measure.members)
            done[measure.key] += steps
            if block >= 0:
                rate = outcome.work.batch * measure.fraction * steps / taken
                outcome.rates.setdefault(measure.key, []).append(rate)


def calibrate(group: Group, measure: Measure, seconds: float) -> int:
    """Steps that take about `seconds`."""
    steps = 4
    while (taken := group.timed(measure.method, 0, steps, members=measure.members)) < seconds / 5:
        steps = max(2 * steps, int(steps * seconds / 4 / taken))
    return max(1, round(steps * seconds / taken))


def agree(outcome: Comparison, measures: Sequence[Measure], opened: dict[str, Group]) -> None:
    """Trains the first steps with everyone that trains, and compares the losses."""
    curves: dict[str, Array] = {}
    for measure in measures:
        if measure.losses:
            found = opened[measure.group].ask(measure.losses, 0, CHECKED_STEPS + 1, members=measure.members)
            curves[measure.key] = np.mean(np.asarray(found, np.float64), axis=0)
    same = [measure.key for measure in measures if measure.same_algorithm(outcome.work)]
    reference = REFERENCE if REFERENCE in curves else next(iter(same), None)
    if reference is None:
        return
    for key, curve in curves.items():
        outcome.losses[key] = float(curve[-1])
        outcome.differences[key] = float(np.max(np.abs(curve / curves[reference] - 1)))
    wrong = {key: outcome.differences[key] for key in same if not outcome.differences[key] <= TOLERANCE}
    if wrong:
        parts = [f"{key} by {difference:.1e}" for key, difference in wrong.items()]
        raise BenchmarkError(
            f"{outcome.work.title}: the losses of the first {CHECKED_STEPS} steps differ from those of {reference} by "
            f"more than {TOLERANCE:g} ({', '.join(parts)}): these contenders do not do the same work"
        )


def spread(values: Sequence[float], form: str) -> str:
    """Median, lowest and highest."""
    return f"{median(values):{form}} ({min(values):{form}} - {max(values):{form}})"
