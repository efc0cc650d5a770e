"""Steps a second of a network on words over the size of its vocabulary: `python -m benchmarks.embeddings [--rows N,...]
[--beside CHECKOUT]`.

Texts of 40 words, frequent by Zipf's law, in batches of 64: an embedding of 128, the mean over the words, two dense
layers; two workers and a server on Ray. With another checkout beside it, that has its own `.venv`, both take turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.comparison import spread
from benchmarks.machine import describe_machine, in_words
from benchmarks.report import RESULTS, markdown

ROWS = (1_000, 10_000, 50_000, 200_000)
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"type": "sgd", "learning_rate": 0.1},
    "adagrad": {"type": "adagrad", "learning_rate": 0.01},
    "adam": {"type": "adam", "learning_rate": 1e-3},
    "adam, lazy": {"type": "adam", "learning_rate": 1e-3, "lazy": True},
}
ROOT = Path(__file__).parent.parent
NOW, BEFORE = "now", "before"
WARM_STEPS = 30
END_SECONDS = 60.0


@dataclass
class Turn:
    """Steps a second, milliseconds of a step in which the slower worker computes and the server updates, and the mean
    loss."""

    steps: float
    compute: float
    update: float
    loss: float


class Checkout:
    """A process that trains with the code of a checkout when it is told to; this project's benchmarks drive it."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "benchmarks").symlink_to(ROOT / "benchmarks", target_is_directory=True)
        self._process = subprocess.Popen(
            [str(checkout / ".venv/bin/python"), "-m", "benchmarks.contenders.words"],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **question: Any) -> Turn:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        print(json.dumps(question), file=stdin, flush=True)
        answer = stdout.readline()
        if not answer:
            sys.exit("error: the process that trains has ended: its own words are above")
        return Turn(**json.loads(answer))

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()


def measure(
    checkouts: dict[str, Checkout], rows: int, optimizer: dict[str, Any], blocks: int, seconds: float
) -> dict[str, list[Turn]]:
    """Turns of each checkout that knows the optimizer, in blocks that go forwards and backwards.

    Their first losses must be equal.
    """
    taking = {name: one for name, one in checkouts.items() if name == NOW or not optimizer.get("lazy")}
    first = {name: one.ask(rows=rows, optimizer=optimizer, steps=WARM_STEPS) for name, one in taking.items()}
    if len({turn.loss for turn in first.values()}) > 1:
        sys.exit(f"error: {rows:,} rows, {optimizer['type']}: the losses differ")
    paces = {name: turn.steps for name, turn in first.items()}
    turns: dict[str, list[Turn]] = {name: [] for name in taking}
    for block in range(1 + blocks):
        for name in list(taking)[:: -1 if block % 2 else 1]:
            turn = taking[name].ask(steps=max(5, round(seconds * paces[name])))
            paces[name] = turn.steps
            if block:
                turns[name].append(turn)
    return turns


@contextmanager
def running(beside: Path | None) -> Iterator[dict[str, Checkout]]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        places = {NOW: ROOT} | ({BEFORE: beside.resolve()} if beside else {})
        checkouts = {}
        for name, place in places.items():
            checkouts[name] = Checkout(place, Path(folder) / name)
            stack.callback(checkouts[name].close)
        yield checkouts


def table(results: dict[str, dict[int, dict[str, list[Turn]]]]) -> str:
    lines = [("optimizer", "rows of 128", "steps/s", "before", "times as fast", "computing, ms", "update, ms")]
    for optimizer, by_rows in results.items():
        for rows, turns in by_rows.items():
            now, before = turns[NOW], turns.get(BEFORE, [])
            paces, others = [turn.steps for turn in now], [turn.steps for turn in before]
            ratios = [a / b for a, b in zip(paces, others, strict=False)]
            lines.append(
                (
                    optimizer,
                    f"{rows:,}",
                    spread(paces, ",.0f"),
                    spread(others, ",.0f") if others else "",
                    spread(ratios, ".1f") if ratios else "",
                    f"{median(turn.compute for turn in now):.2f}",
                    f"{median(turn.update for turn in now):.2f}",
                )
            )
    return markdown(lines)


def as_plain(turns: dict[str, list[Turn]]) -> dict[str, list[dict[str, float]]]:
    return {which: [asdict(turn) for turn in some] for which, some in turns.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embeddings")
    parser.add_argument("--rows", type=lambda text: [int(part) for part in text.split(",")], default=ROWS)
    parser.add_argument("--blocks", type=int, default=5, help="blocks that count, besides one that warms up")
    parser.add_argument("--seconds", type=float, default=0.7, help="length of a turn")
    parser.add_argument("--beside", type=Path, help="another checkout, with a .venv of its own")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON")
    options = parser.parse_args()
    results: dict[str, dict[int, dict[str, list[Turn]]]] = {name: {} for name in OPTIMIZERS}
    with running(options.beside) as checkouts:
        for rows in options.rows:
            for name, optimizer in OPTIMIZERS.items():
                print(f"{name}, {rows:,} rows ...", file=sys.stderr, flush=True)
                results[name][rows] = measure(checkouts, rows, optimizer, options.blocks, options.seconds)
    machine = describe_machine()
    print(table(results))
    print(f"\n{in_words(machine)}.")
    options.results.mkdir(parents=True, exist_ok=True)
    turns = {name: {rows: as_plain(both) for rows, both in of.items()} for name, of in results.items()}
    told = {"machine": machine, "blocks": options.blocks, "seconds": options.seconds, "turns": turns}
    (options.results / "embeddings.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
