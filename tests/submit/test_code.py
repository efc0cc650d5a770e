"""Code that a configuration needs and an ignore file hides."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dist_bp.config import load_config
from dist_bp.submit.code import hidden_code
from dist_bp.submit.upload import working_directory

CONFIG = """
name: own
data: {source: {type: sklearn, name: iris}}
model: {layers: [{type: "hidden_parts.layers:Flat"}, {type: dense, units: 3}]}
loss: {type: cross_entropy}
scaling: {num_workers: 0}
train: {epochs: 1, batch_size: 16, group_size: 16, optimizer: {type: sgd, learning_rate: 0.1}}
checkpoint: {monitor: train_loss}
sweep:
  metric: train_loss
  parameters: {train.optimizer.learning_rate: {type: uniform, low: 0.1, high: 0.2}}
  conditions: ["hidden_rules:fits"]
"""
MODULES = {
    "hidden_parts/__init__.py": "",
    "hidden_parts/layers.py": """
import hidden_helper
from dist_bp.nn.layers.flatten import Flatten

class Flat(Flatten):
    \"\"\"Flattens.\"\"\"
""",
    "hidden_helper.py": "",
    "hidden_rules.py": "def fits(values: dict) -> bool:\n    return True\n",
}


@pytest.fixture
def folder(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, text in MODULES.items():
        path = workplace / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (workplace / "job.yaml").write_text(CONFIG)
    yield workplace
    for name in [name for name in sys.modules if name.startswith("hidden_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("ignored", "hidden"),
    [
        ("", {}),
        ("*.csv\n", {}),
        ("hidden_rules.py\n", {"hidden_rules.py": "hidden_rules:fits is in it"}),
        ("hidden_helper.py\n", {"hidden_helper.py": "the code that the configuration names imports it"}),
        (
            "hidden_parts/\n",
            {
                "hidden_parts/__init__.py": "hidden_parts.layers:Flat is in it",
                "hidden_parts/layers.py": "hidden_parts.layers:Flat is in it",
            },
        ),
    ],
)
@pytest.mark.parametrize("file", [".gitignore", ".rayignore"])
def test_what_is_hidden_is_named(folder: Path, file: str, ignored: str, hidden: dict[str, str]) -> None:
    (folder / file).write_text(ignored)
    config = load_config("job.yaml")
    problems = hidden_code(config, working_directory(Path("job.yaml")))
    assert len(problems) == len(hidden)
    for line, (path, why) in zip(problems, hidden.items(), strict=True):
        assert line.startswith(f"{path} is not sent, but {why}: ")
        assert line.endswith(f"!/{path}")


def test_code_that_is_not_imported_here_is_looked_for_by_its_name(folder: Path) -> None:
    (folder / ".gitignore").write_text("hidden_parts/layers.py\n")
    config = load_config("job.yaml", own_code=False)
    (line,) = hidden_code(config, working_directory(Path("job.yaml")))
    assert line.startswith("hidden_parts/layers.py is not sent")


def test_the_remedy_helps(folder: Path) -> None:
    (folder / ".gitignore").write_text("hidden_*.py\n!/hidden_helper.py\n!/hidden_rules.py\n")
    assert hidden_code(load_config("job.yaml"), working_directory(Path("job.yaml"))) == []
