"""Models of texts and of sounds whose digests are right and whose content is not: one clear error, at once."""

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dist_bp.errors import UserError
from dist_bp.processes import descendants
from dist_bp.serve import SavedModel
from dist_bp.serve.files import evaluate_file, predict_files
from tests.checkpoint.samples import rewrite
from tests.serve.samples import configuration, save
from tests.serve.test_hostile import spoilt
from tests.sounds.noises import tone, write

LINES = "".join(f"{'spam' if row % 3 else 'ham'}: win a prize {row}\n" for row in range(30))
VECTORS = [{"type": "embedding", "size": 4}, {"type": "mean_over_time"}, {"type": "dense", "units": 2}]
OVER_TIME = [{"type": "dense", "units": 4}, {"type": "mean_over_time"}, {"type": "dense", "units": 2}]
SOUND_STEPS = [{"type": "resample", "rate": 4000}, {"type": "log_mel", "bands": 4}, {"type": "standardize"}]
MOST = 20
"""Versions of a file that are tried, of all that there are."""


def of_text(folder: Path, **tokens: Any) -> tuple[Path, str]:
    (folder / "lines.txt").write_text(LINES)
    source = {"type": "lines", "path": str(folder / "lines.txt"), "pattern": r"(?P<label>\w+): (?P<text>.*)"}
    steps = [{"type": "tokenize", **tokens}]
    data = {"source": source, "preprocess": steps, "prepared": str(folder / "prepared")}
    return save(configuration(folder, source, 2, data=data, model={"layers": VECTORS})), str(folder / "lines.txt")


def of_sound(folder: Path) -> tuple[Path, str]:
    for number in range(6):
        for name, hertz in (("low", 200), ("high", 900)):
            (folder / "hums" / name).mkdir(parents=True, exist_ok=True)
            write(str(folder / "hums" / name / f"{number}.wav"), tone(hertz, 0.1))
    source = {"type": "sound_folder", "path": str(folder / "hums")}
    data = {"source": source, "preprocess": SOUND_STEPS, "prepared": str(folder / "prepared")}
    return save(configuration(folder, source, 2, data=data, model={"layers": OVER_TIME})), str(folder / "hums")


KINDS: dict[str, Callable[[Path], tuple[Path, str]]] = {
    "words": lambda folder: of_text(folder, by="words"),
    "parts of words": lambda folder: of_text(folder, by="wordpiece", vocabulary=12),
    "sound": of_sound,
}


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A model, and a file or folder in the form of its data."""
    return KINDS[request.param](tmp_path_factory.mktemp("made"))


def said(model: Path, path: str) -> list[str]:
    """What is said of a model, a prediction and a measurement with it."""
    started, before, problems = time.process_time(), descendants(os.getpid()), []
    try:
        saved = SavedModel.load(model)
        predict_files(saved, [path], lambda _: None)
        evaluate_file(saved, path)
    except UserError as error:
        problems = error.problems
    assert not [line for line in problems if not line or "\n" in line]
    assert time.process_time() - started < 3
    assert descendants(os.getpid()) == before
    return problems


def copied(original: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(original, to)
    return to


def test_any_pipeline(made: tuple[Path, str], tmp_path: Path) -> None:
    original, path = made
    assert not said(original, path)
    changes = list(spoilt(json.loads((original / "pipeline.json").read_text())))
    refused = 0
    for changed in random.Random(0).sample(changes, min(MOST, len(changes))):
        model = copied(original, tmp_path / "model")
        rewrite(model, "pipeline.json", json.dumps(changed).encode() + b"\n")
        refused += bool(said(model, path))
    assert refused > MOST / 4
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


def test_any_source_and_steps(made: tuple[Path, str], tmp_path: Path) -> None:
    original, path = made
    value = yaml.safe_load((original / "config.yaml").read_text())
    changes = list(spoilt({name: value["data"][name] for name in ("source", "preprocess")}))
    for changed in random.Random(1).sample(changes, min(MOST // 2, len(changes))):
        model = copied(original, tmp_path / "model")
        data = {**value["data"], **changed} if isinstance(changed, dict) else changed
        rewrite(model, "config.yaml", json.dumps({**value, "data": data}).encode())
        said(model, path)
    assert [one.name for one in tmp_path.iterdir()] == ["model"]
