"""A driver that is killed at any moment: the run that goes on has every point once, as if nothing had been."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.running import CONFIG, with_tests
from tests.database import rows

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
    moments = [str(draw.uniform(0, 0.2)) for _ in range(3)]
    command = [sys.executable, "-m", "tests.cli.forked", *moments, "--", *LOCAL, "--resume", "auto"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=with_tests(), capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stderr
    expected = points(tmp_path / "undisturbed", monkeypatch)
    assert len(expected) > 5 * 120
    assert points(tmp_path / "killed", monkeypatch) == expected
    assert not [*tmp_path.glob("killed/.dist_bp/journal/*"), *tmp_path.glob("killed/runs/.journal/*")]
