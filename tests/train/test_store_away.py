"""A store that does not answer for a while within a run: training goes on, and nothing is missing after it."""

import random
import sqlite3
from pathlib import Path

from dist_bp.train.job import run_job
from dist_bp.train.observer import Observer
from tests.conftest import JobMaker
from tests.train.looking import points

EPOCHS, STEPS = 12, 8


class Away(Observer):
    """Keeps everybody else out of the database from the end of one epoch to that of another."""

    def __init__(self, database: Path, first: int, last: int) -> None:
        self._database = sqlite3.connect(database, timeout=20, isolation_level=None)
        self._turns = {first: "BEGIN EXCLUSIVE", last: "ROLLBACK"}

    def epoch(self, epoch: int, values: dict[str, float]) -> None:
        if epoch in self._turns:
            self._database.execute(self._turns[epoch])

    def close(self) -> None:
        self._database.close()


def test_training_goes_on_and_every_point_is_recorded_once(make_job: JobMaker, database: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    slow = {"type": "tests.runtime.layers:Slow", "seconds": 0.02}  # the background writes once a second
    config = make_job(
        model={"layers": [slow]}, train={"epochs": EPOCHS}, tracking={"every_steps": 1}, checkpoint={"every_steps": 3}
    )
    away = Away(database, draw.randint(1, 3), draw.randint(7, 11))  # as epochs end it, training cannot wait for it
    try:
        result = run_job(config, observer=away)
    finally:
        away.close()
    for name in ("loss", "learning_rate", "gradient_norm"):
        assert [step for step, _ in points(result, f"step/{name}")] == [*range(1, EPOCHS * STEPS + 1)]
    for name in ("train_loss", "val_loss"):
        assert [step for step, _ in points(result, f"epoch/{name}")] == [*range(STEPS, EPOCHS * STEPS + 1, STEPS)]
    assert not list(Path("runs/.journal").iterdir())
