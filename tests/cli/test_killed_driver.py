"""A driver that is killed at any moment: the run that goes on has every point once, as if nothing had been."""

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.running import CONFIG
from tests.database import rows
from tests.forks import Forked

LOCAL = [
    *("scaling.num_workers=0", "scaling.servers_per_node=1", "train.epochs=20", "tracking.log_model=false"),
    *("tracking.every_steps=1", "checkpoint.every_epochs=1", "checkpoint.every_steps=7"),
    "model.layers.0={type: 'tests.runtime.layers:Slow', seconds: 0.01}",
]
"""120 steps in a second, with checkpoints within epochs and after them."""

Points = Counter[tuple[str, int, float | None]]


def points(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Points:
    """What MLflow has of the folder's only run; of measured times their names and steps."""
    monkeypatch.chdir(folder)
    ((status,),) = rows("select status from runs")
    assert status == "FINISHED"
    found = rows("select key, step, value from metrics")
    return Counter((key, step, None if key.startswith("system/") else value) for key, step, value in found)


def training(folder: Path) -> Forked:
    return Forked("train", "job.yaml", *LOCAL, "--resume", "auto", cwd=folder)


def checkpoints(folder: Path) -> set[Path]:
    return set(folder.glob("runs/*/checkpoints/step-*"))


def kill_after_a_checkpoint(folder: Path, seconds: float) -> None:
    """Kills a training so many seconds after its first checkpoint."""
    before, deadline = checkpoints(folder), time.monotonic() + 60
    with training(folder) as command:
        while not checkpoints(folder) - before:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(seconds)
        assert command.poll() is None, "it came to its end before it was killed"


def test_every_point_is_there_once_after_kills_at_drawn_moments(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    for folder in (tmp_path / "undisturbed", tmp_path / "killed"):
        folder.mkdir()
        (folder / "job.yaml").write_text(CONFIG)
        (folder / "mlflow.db").write_bytes(empty_database.read_bytes())
    with training(tmp_path / "undisturbed") as undisturbed:
        for _ in range(3):
            kill_after_a_checkpoint(tmp_path / "killed", draw.uniform(0, 0.2))
        with training(tmp_path / "killed") as last:
            for command in (last, undisturbed):
                _, errors = command.communicate(100)
                assert command.returncode == 0, errors
    expected = points(tmp_path / "undisturbed", monkeypatch)
    assert len(expected) > 5 * 120
    assert points(tmp_path / "killed", monkeypatch) == expected
    assert not [*tmp_path.glob("killed/.dist_bp/journal/*"), *tmp_path.glob("killed/runs/.journal/*")]
