"""Folders whose digests are right and whose content is not: one clear error, at once, and nothing written.

Each file of a model and of a checkpoint is spoiled in hundreds of ways, none of which may end in another exception
than ours, or in a file.
"""

import copy
import json
import os
import random
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file, save

from dist_bp.checkpoint import CheckpointStore, find_runs, load, resolve
from dist_bp.config import load_config
from dist_bp.data.conform import conform
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.preprocess.integers import Integers
from dist_bp.data.preprocess.standardize import Standardize
from dist_bp.data.sources.base import described
from dist_bp.data.targets import learn_targets, target_array
from dist_bp.errors import CheckpointError, DataError, UserError
from dist_bp.serve import SavedModel, evaluate_split
from dist_bp.train.course import Change, Course
from dist_bp.train.meter import EpochMeter
from dist_bp.train.setup import PreparedJob, prepare_job
from dist_bp.train.state import RunState
from tests.checkpoint.samples import rewrite, sign
from tests.commands import run_here
from tests.serve.samples import configuration

Json = Any
VALUES: list[Json] = [
    None, True, -1, 0, 3, 1.5, 2**70, 1e400, "", "x", "../../x", "a\0b", "\ud800", [], {}, [0], [None], {"x": 1},
    [[[[]]]], [1e300] * 3, "float16", list(range(100)),
]  # fmt: skip
EACH = 1
"""Values that each place of a file is given, of those above."""


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[PreparedJob, Path, Any]:
    """A job, a checkpoint of it in the middle of an epoch, and rows to predict."""
    kind = getattr(request, "param", "classes")
    folder = tmp_path_factory.mktemp(kind)
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draw.normal(size=40), "b": draw.integers(0, 9, 40), "c": draw.choice(["x", "y"], 40)})
    frame["t"] = draw.choice(["no", "yes"], 40) if kind == "classes" else draw.normal(size=40)
    frame.to_csv(folder / "rows.csv", index=False)
    steps = [{"type": "impute"}, {"type": "standardize"}, {"type": "one_hot"}]
    source = {"type": "csv", "path": str(folder / "rows.csv"), "target": "t"}
    units, loss = (2, "cross_entropy") if kind == "classes" else (1, "mse")
    layers = [{"type": "dense", "units": 4}, {"type": "batch_norm"}, {"type": "dense", "units": units}]
    train = {"batch_size": 8, "group_size": 4, "optimizer": {"type": "adam", "learning_rate": 0.1}}
    train["schedule"] = {"type": "plateau", "patience": 2}
    path = configuration(
        folder, source, units, model={"layers": layers}, loss={"type": loss}, train=train,
        data={"source": source, "preprocess": steps, "prepared": str(folder / "prepared")},
    )  # fmt: skip
    job = prepare_job(load_config(path))
    state = RunState(job)
    state.run_id, state.step = "run", job.steps_per_epoch
    state.measured({"train_loss": 0.5, "val_loss": 0.5})
    state.best = replace(job.initial, step=state.step)
    state.step += 1
    state.meter = EpochMeter(job.metrics, 1.5, 8, 8.0, 0.1)
    state.meter.states = {0: {name: metric.empty() for name, metric in job.metrics.items()}}
    state.course = Course("other, step 3", (Change(3, "train.epochs", "1", "2"),))
    checkpoint = replace(state.checkpoint(replace(job.initial, step=state.step)), metrics={"val_loss": 0.5})
    saved = CheckpointStore(folder / "runs" / "run" / "checkpoints").save(checkpoint, 0.5)
    return job, saved, frame


@pytest.fixture
def attempt(made: tuple[PreparedJob, Path, Any], tmp_path: Path) -> Callable[..., UserError | None]:
    """Spoils a copy of the checkpoint, uses it in each way, and returns what was said."""
    job, original, rows = made
    root = tmp_path / "runs"
    folder = root / "run" / "checkpoints" / original.name

    def use() -> UserError | None:
        said: list[UserError] = []
        for way in (predicted, resumed, listed):
            try:
                way()
            except UserError as error:
                said.append(error)
        assert not [line for error in said for line in error.problems if not line or "\n" in line]
        return said[0] if said else None

    def predicted() -> None:
        saved = SavedModel.load(folder)
        assert len(saved.predict(rows)) == len(rows)
        saved.evaluate(rows, rows["t"])

    def resumed() -> None:
        found = resolve(str(folder), root, "job")
        assert found
        RunState.restored(job, found.checkpoint)

    def listed() -> None:
        find_runs(root)

    def spoil(change: Callable[[Path], object]) -> UserError | None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(original, folder)
        change(folder)
        before = {path for path in tmp_path.rglob("*")}
        started = time.process_time()
        said = use()
        assert time.process_time() - started < 3
        assert {path for path in tmp_path.rglob("*")} == before
        return said

    assert spoil(lambda _: None) is None
    return spoil


def places(value: Json, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each part of a value."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def replaced(value: Json, path: tuple[Any, ...], new: Json) -> Json:
    if not path:
        return new
    copied = copy.copy(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


def removed(value: Json, path: tuple[Any, ...]) -> Json:
    copied = copy.deepcopy(value)
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return copied


def spoilt(value: Json) -> Iterator[Json]:
    """Many versions of a JSON value, each wrong in one place."""
    choice = random.Random(0)
    for path in places(value):
        for new in choice.sample(VALUES, EACH):
            yield replaced(value, path, new)
        if path:
            yield removed(value, path)


Attempt = Callable[[Callable[[Path], object]], UserError | None]


def test_any_manifest(made: tuple[PreparedJob, Path, Any], attempt: Attempt) -> None:
    manifest = json.loads((made[1] / "manifest.json").read_text())
    del manifest["digest"]
    refused = 0
    for changed in spoilt(manifest):
        if isinstance(changed, dict):
            refused += attempt(lambda folder, changed=changed: sign(folder, changed)) is not None  # type: ignore[misc]
    assert refused > 20


@pytest.mark.parametrize(
    ("made", "name", "part"),
    [("classes", "pipeline.json", None), ("classes", "history.jsonl", None), ("numbers", "pipeline.json", "targets")],
    indirect=["made"],
)
def test_any_json(made: tuple[PreparedJob, Path, Any], attempt: Attempt, name: str, part: str | None) -> None:
    """Of numbers the targets alone: the rest of their pipeline is that of classes."""
    value = json.loads((made[1] / name).read_text())
    refused = 0
    for changed in spoilt(value[part] if part else value):
        text = json.dumps(value | {part: changed} if part else changed).encode() + b"\n"
        refused += attempt(lambda folder, text=text: rewrite(folder, name, text)) is not None  # type: ignore[misc]
    assert refused >= 5


@pytest.mark.parametrize("made", ["classes", "numbers"], indirect=True)
def test_what_was_fitted_is_numbers_of_the_right_shape(made: tuple[PreparedJob, Path, Any], attempt: Attempt) -> None:
    value = json.loads((made[1] / "pipeline.json").read_text())
    value["steps"][1]["shift"] = value["steps"][1]["offset"]
    Pipeline.from_dict(value)
    changed = 0
    for path in places({name: value[name] for name in ("steps", "targets", "features")}):
        part = reduce(getitem, path, value)
        leaves = part if isinstance(part, list) else [part]
        if leaves and all(isinstance(leaf, float | int) for leaf in leaves):
            changed += 1
            for wrong in ("1", 1, [part]) if isinstance(part, bool) else (True, "1", [part], [True] * len(leaves)):
                with pytest.raises(DataError, match="the pipeline is not what this version writes"):
                    Pipeline.from_dict(replaced(value, path, wrong))
    assert changed > 10
    wrong = json.dumps(replaced(value, ("steps", 1, "offset"), True)).encode()
    said = attempt(lambda folder: rewrite(folder, "pipeline.json", wrong))
    assert said
    assert "a bool among what must be numbers" in str(said)


def test_any_configuration(made: tuple[PreparedJob, Path, Any], attempt: Attempt) -> None:
    value = yaml.safe_load((made[1] / "config.yaml").read_text())
    kept = {name: value[name] for name in ("name", "data", "model", "loss", "metrics")}
    choice = random.Random(1)
    for changed in choice.sample(list(spoilt(kept)), 40):
        text = json.dumps({**value, **changed} if isinstance(changed, dict) else changed).encode()
        attempt(lambda folder, text=text: rewrite(folder, "config.yaml", text))  # type: ignore[misc]


def tensors(header: Json, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


ARRAYS = {
    "a header of 2^60 bytes": struct.pack("<Q", 2**60) + b"{}",
    "a header of more than there is": struct.pack("<Q", 2**16) + b"{}",
    "nothing": b"",
    "no arrays": save({}),
    "no JSON": tensors(b"{" * 10, b""),
    "deep JSON": tensors(b'{"a":' * 50_000, b""),
    "no object": tensors([1], b""),
    "offsets backwards": tensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, b"1234"),
    "beyond the end": tensors({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, b"1234"),
    "an unknown type": tensors({"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}, b"1234"),
    "a type of no array": tensors({"a": {"dtype": "F8_E5M2", "shape": [4], "data_offsets": [0, 4]}}, b"1234"),
    "a shape of 2^80": tensors({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}}, b"1234"),
    "a NUL in a name": save({"parameters/0.we\0ight": np.zeros(3, np.float32)}),
}  # fmt: skip


def spoilt_arrays(path: Path) -> Iterator[bytes]:
    """Each array missing, of another shape, of another type, and one too many."""
    arrays = load_file(path)
    more = {"metric/x/y": np.zeros(1), "metric/x/accuracy/count": np.zeros(1)}
    yield save({**arrays, "parameters/0.x": np.zeros(3, np.float32), **more})
    for name, array in arrays.items():
        yield save({key: value for key, value in arrays.items() if key != name})
        for other in (array.reshape(-1)[:-1], array.reshape(1, -1), array[None], array.astype("int16"), np.array(1.0)):
            yield save(arrays | {name: np.ascontiguousarray(other)})


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "progress.safetensors"])
def test_any_arrays(made: tuple[PreparedJob, Path, Any], attempt: Attempt, name: str) -> None:
    for case, content in ARRAYS.items():
        said = attempt(lambda folder, content=content: rewrite(folder, name, content))  # type: ignore[misc]
        assert said is not None or name == "progress.safetensors", case
    for content in spoilt_arrays(made[1] / name):
        said = attempt(lambda folder, content=content: rewrite(folder, name, content))  # type: ignore[misc]
        assert said is not None or name == "progress.safetensors"


DEEP = "[" * 100_000


@pytest.mark.parametrize("name", ["manifest.json", "pipeline.json", "history.jsonl", "config.yaml"])
def test_texts_that_are_none(attempt: Attempt, name: str) -> None:
    for content in (DEEP, "", "\0", "null", "1" * 6000, "[1]", '"x"', '{"a": ' * 3000, "x: &x [*x]"):

        def change(folder: Path, content: str = content) -> None:
            if name == "manifest.json":
                (folder / name).write_text(content)
            else:
                rewrite(folder, name, content.encode())

        assert isinstance(attempt(change), UserError) or (name, content) == ("history.jsonl", "")
    said = attempt(lambda folder: (folder / name).write_bytes(b"\xff\xfe"))
    assert isinstance(said, CheckpointError)


@pytest.mark.parametrize(
    "name", ["manifest.json", "config.yaml", "pipeline.json", "model.safetensors", "history.jsonl"]
)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop"])
def test_files_that_are_none(attempt: Attempt, name: str, kind: str) -> None:
    def change(folder: Path) -> None:
        if name != "manifest.json":
            rewrite(folder, name, b"")  # so that a pipe and a device seem to have the right size
        path = folder / name
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to({"device": "/dev/zero", "loop": path}[kind])

    assert isinstance(attempt(change), CheckpointError)


@pytest.mark.parametrize("run_id", ["../../x", "/tmp/x", "..", "a/b", "a\0b"])
def test_a_run_id_that_is_a_path_begins_no_run_elsewhere(attempt: Attempt, run_id: str) -> None:
    def change(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        sign(folder, manifest | {"run_id": run_id})

    said = attempt(change)
    assert isinstance(said, CheckpointError)
    assert "run_id: Value error, must be made of" in said.problems[0]


def test_a_command_says_it_in_a_line(made: tuple[PreparedJob, Path, Any], tmp_path: Path) -> None:
    _, original, rows = made
    shutil.copytree(original, tmp_path / "model")
    rewrite(tmp_path / "model", "model.safetensors", struct.pack("<Q", 2**60) + b"{}")
    rows.to_csv(tmp_path / "rows.csv")
    files = {*tmp_path.rglob("*")}
    done = run_here(
        "predict", str(tmp_path / "model"), "--input", str(tmp_path / "rows.csv"), "--output", str(tmp_path / "out.csv")
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path / 'model' / 'model.safetensors'} does not hold arrays: ")
    assert done.stderr.count("\n") == 1
    assert {*tmp_path.rglob("*")} == files
    with pytest.raises(CheckpointError, match="does not hold arrays"):
        load(tmp_path / "model")


@pytest.mark.parametrize("digest", ["", "..", "../../x", "a" * 64 + "\n", "a" * 16])
def test_a_model_says_not_where_to_write(made: tuple[PreparedJob, Path, Any], tmp_path: Path, digest: str) -> None:
    """Its folder of prepared data is somebody's, and its digest leads there."""
    _, original, _ = made
    model, victim = tmp_path / "model", tmp_path / "victim"
    victim.mkdir()
    shutil.copytree(original, model)
    config = yaml.safe_load((model / "config.yaml").read_text())
    config["data"]["prepared"] = str(victim)
    rewrite(model, "config.yaml", yaml.safe_dump(config).encode())
    sign(model, json.loads((model / "manifest.json").read_text()) | {"data_digest": digest})
    done = run_here("evaluate", str(model), "--split", "train")
    assert done.returncode == 2
    assert "data_digest: String should match pattern" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(victim.iterdir()) == []


def test_a_folder_with_the_right_name_is_no_prepared_data(
    made: tuple[PreparedJob, Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, original, _ = made
    monkeypatch.chdir(tmp_path)
    model, victim = tmp_path / "model", tmp_path / "victim"
    (victim / job.prepared.digest[:16]).mkdir(parents=True)
    shutil.copytree(original, model)
    config = yaml.safe_load((model / "config.yaml").read_text())
    config["data"]["prepared"] = str(victim)
    rewrite(model, "config.yaml", yaml.safe_dump(config).encode())
    evaluate_split(SavedModel.load(model), "train")
    assert [path.name for path in victim.rglob("*")] == [job.prepared.digest[:16]]


def test_any_pipeline_of_several_inputs() -> None:
    """Of whole numbers, samples of different lengths, and targets by position."""
    tokens = [np.arange(1 + row % 3) % 4 for row in range(12)]
    raw = {"tokens": tokens, "numbers": np.arange(24.0).reshape(12, 2)}
    inputs, features = described(raw, "the test")
    targets = learn_targets(target_array(tokens), "classification", "float32")
    steps = [Integers(input="tokens"), Standardize()]
    common = conform(inputs, features)
    fitted = Pipeline.fit(steps, features, common, np.arange(12), targets, "float32").to_dict()
    assert Pipeline.from_dict(json.loads(json.dumps(fitted))).to_dict() == fitted
    said: list[str] = []
    for changed in spoilt(json.loads(json.dumps(fitted))):
        try:
            pipeline = Pipeline.from_dict(changed) if isinstance(changed, dict) else None
            if pipeline:
                pipeline.transform(raw)
                pipeline.encode_targets(tokens)
        except DataError as error:
            said += error.problems
    assert len(said) > 20
    assert not [line for line in said if not line or "\n" in line]
