"""A small valid configuration to spoil."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dist_bp.config import load_config
from dist_bp.errors import ConfigError

BASE = """\
name: digits
data:
  source: {type: sklearn, name: digits}
model:
  layers:
    - {type: dense, units: 16, activation: relu}
    - {type: dense, units: 10}
loss: {type: cross_entropy}
train:
  epochs: 3
  optimizer:
    type: adam
    learning_rate: 1e-3
"""
SWEEP = "sweep={parameters: {seed: {type: choice, values: [1, 2]}}}"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes job.yaml in the working directory and gives its name."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        Path("job.yaml").write_text(text, encoding="utf-8")
        return "job.yaml"

    return write


@pytest.fixture
def problems_of(file: Callable[[str], str]) -> Callable[..., list[str]]:
    """The problems that loading a text with overrides reports; none if it loads."""

    def collect(text: str, *overrides: str) -> list[str]:
        try:
            load_config(file(text), overrides)
        except ConfigError as error:
            return error.problems
        return []

    return collect
