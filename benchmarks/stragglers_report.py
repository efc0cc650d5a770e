"""What `stragglers` has measured, and its table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.comparison import spread
from benchmarks.lateness import PATTERNS, Pattern
from benchmarks.report import markdown

REFERENCE = "sync"
TITLES = {"none": "none", "fixed": "one worker", "wandering": "each in its turn"}
HEADER = ("straggler", "mode", "samples/s, median (range)", "to sync", "pace kept", "loss, last tenth")


@dataclass
class Outcome:
    """Of each pattern and mode, what each round gave, by name."""

    modes: Sequence[str]
    turns: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)

    def add(self, mode: str, pattern: Pattern, **values: float) -> None:
        kept = self.turns.setdefault(pattern, {}).setdefault(mode, {})
        for name, value in values.items():
            kept.setdefault(name, []).append(value)

    def rates(self, mode: str, pattern: Pattern) -> list[float]:
        return self.turns[pattern][mode]["samples_per_second"]

    def to_reference(self, mode: str, pattern: Pattern) -> list[float]:
        """Ratio to the reference with the same straggler, round by round."""
        return ratios(self.rates(mode, pattern), self.rates(REFERENCE, pattern))

    def kept(self, mode: str, pattern: Pattern) -> list[float]:
        """What is left of the mode's own pace without a straggler, round by round."""
        return ratios(self.rates(mode, pattern), self.rates(mode, "none"))


def ratios(upper: Sequence[float], lower: Sequence[float]) -> list[float]:
    return [above / below for above, below in zip(upper, lower, strict=True)]


def table(outcome: Outcome) -> str:
    rows: list[Sequence[str]] = [HEADER]
    for pattern in PATTERNS:
        title = TITLES[pattern]
        for mode in outcome.modes:
            rate = spread(outcome.rates(mode, pattern), ",.0f")
            ratio = "" if mode == REFERENCE else spread(outcome.to_reference(mode, pattern), ".2f")
            kept = "" if pattern == "none" else spread(outcome.kept(mode, pattern), ".0%")
            loss = f"{median(outcome.turns[pattern][mode]['loss']):.3f}"
            rows.append((title, mode, rate, ratio, kept, loss))
            title = ""
    return markdown(rows)
