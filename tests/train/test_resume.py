"""Whole jobs in this process that are stopped, go on from a checkpoint, or may not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dist_bp.checkpoint import CheckpointStore
from dist_bp.errors import CheckpointError, Interrupted
from dist_bp.track.driver import DRIVER, identity
from dist_bp.track.mlflow_open import open_tracker
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.port import TrackingSettings
from dist_bp.track.waiting import SPOOLS
from dist_bp.train.course import CHANGED, ORIGIN, check_same_course
from dist_bp.train.job import only_writer, run_job
from dist_bp.train.setup import prepare_job
from tests.commands import run_here
from tests.conftest import JobMaker
from tests.database import rows
from tests.train.looking import Notes, StopAfter, page, points, recorded

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("schedule", [{"type": "cosine"}, {"type": "plateau", "patience": 1, "factor": 0.5}])
def test_stopped_and_resumed_is_the_uninterrupted_run(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch, schedule: dict[str, Any]
) -> None:
    rules = {"epochs": 6, "schedule": schedule, "stop": {"patience": 50}}
    config = make_job(train=rules, tracking={"every_steps": 3})  # epochs end within windows of 3 steps
    whole = run_job(config)
    with pytest.raises(Interrupted, match="checkpoint saved"):
        run_job(config, observer=StopAfter(2, monkeypatch))
    resumed = run_job(config, resume="auto")
    assert resumed.parameters_sha256 == whole.parameters_sha256
    assert resumed.metrics == whole.metrics
    assert resumed.run_id != whole.run_id
    assert points(resumed, "step/loss") == points(whole, "step/loss")
    assert points(resumed, "epoch/val_loss") == points(whole, "epoch/val_loss")


def test_resuming_in_the_middle_of_an_epoch(make_job: JobMaker) -> None:
    config = make_job(train={"epochs": 3}, checkpoint={"every_steps": 11, "every_epochs": None, "keep": 10})
    whole = run_job(config)
    store = CheckpointStore(Path(whole.checkpoint).parent)
    middle = next(path for path in store.paths() if path.name == "step-000000011")
    notes = Notes()
    again = run_job(config, resume=str(middle), observer=notes)
    assert again.run_id != whole.run_id  # which has gone on from there
    assert any("a new run begins with its step 11" in line for line in notes.lines)
    assert recorded(again.run_id).data.tags[ORIGIN] == f"{whole.run_id}, step 11"
    assert again.metrics.items() <= recorded(again.run_id).data.metrics.items()
    assert points(again, "epoch/val_loss") == points(whole, "epoch/val_loss")
    assert again.parameters_sha256 == whole.parameters_sha256
    assert again.metrics == whole.metrics
    steps = [step for step, _ in points(again, "step/loss")]
    assert steps == list(range(12, 25))
    copied = shutil.copytree(middle, "copy")
    assert run_job(config, resume=str(copied)).run_id not in (whole.run_id, again.run_id)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"layers": [{"type": "dense", "units": 4}]}}, r"0\.weight is \(6, 16\) in the checkpoint, \(6, 4\)"),
        ({"model": {"dtype": "float64"}}, "float32 in the checkpoint, float64 in the configuration"),
        ({"data": {"split": {"validation": 0.3, "test": 0.2}}}, "the data is .* in the checkpoint"),
        ({"train": {"optimizer": {"type": "sgd", "learning_rate": 0.1}}}, "the optimizer keeps m, v in the checkpoint"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(make_job: JobMaker, change: dict[str, Any], message: str) -> None:
    result = run_job(make_job(train={"epochs": 1}))
    before = Path(result.checkpoint, "manifest.json").read_bytes()
    with pytest.raises(CheckpointError, match=message):
        run_job(make_job(**({"train": {"epochs": 1}} | change)), resume=result.run_id)
    assert Path(result.checkpoint, "manifest.json").read_bytes() == before


def test_a_damaged_checkpoint_is_passed_over(make_job: JobMaker) -> None:
    config = make_job(train={"epochs": 3})
    whole = run_job(config)
    model = Path(whole.checkpoint, "model.safetensors")
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    notes = Notes()
    again = run_job(config, resume="auto", observer=notes)
    assert (again.run_id, again.parameters_sha256) == (whole.run_id, whole.parameters_sha256)
    assert any("model.safetensors" in line for line in notes.lines)
    for manifest in Path(whole.checkpoint).parent.glob("*/manifest.json"):
        manifest.write_text("{")
    with pytest.raises(CheckpointError, match=f"{whole.run_id} may be newer .* none of its . checkpoints can be used"):
        run_job(config, resume="auto")


def test_resume_auto_without_a_checkpoint_starts_a_run_in_place_of_a_killed_start(make_job: JobMaker) -> None:
    settings = TrackingSettings("sqlite:///mlflow.db", "blobs", SPOOLS, system_metrics=False, job="blobs")
    dead = f"{identity().rpartition(':')[0]}:1"
    started = open_tracker(settings, {"name": "blobs"}, "", {})
    with opened_store("sqlite:///mlflow.db") as client:
        killed = client.create_run("1", tags={DRIVER: dead}, run_name="blobs-2")
        elsewhere = client.create_run("1", tags={DRIVER: dead}, run_name="of another folder")
    for run_id in (str(started.run_id), killed.info.run_id):
        Path("runs", run_id).mkdir(parents=True)
    result = run_job(make_job(train={"epochs": 1}), resume="auto")
    assert result.steps == 8
    names = rows("select name from runs where lifecycle_stage = 'active' order by start_time")
    assert names == [("blobs",), ("of another folder",), ("blobs-2",)]
    assert elsewhere.info.run_id not in {path.name for path in Path("runs").iterdir()}
    started.finish("KILLED")
    assert {path.name for path in Path("runs").glob("[!.]*")} == {str(started.run_id), result.run_id, "blobs-2"}
    evaluated = [
        json.loads(run_here("evaluate", name, "--json").stdout)["metrics"] for name in ("blobs-2", result.run_id[:9])
    ]
    assert evaluated[0] == evaluated[1]
    assert run_job(make_job(train={"epochs": 2}), resume="blobs-2").run_id == result.run_id


def test_one_process_at_a_time_trains_a_run(make_job: JobMaker) -> None:
    config = make_job(train={"epochs": 1})
    result = run_job(config)
    status = recorded(result.run_id).info.status
    with only_writer(result.run_folder), pytest.raises(CheckpointError, match="is being trained by another process"):
        run_job(config, resume="auto")
    assert recorded(result.run_id).info.status == status == "FINISHED"


LAYERS = [
    {"type": "dense", "units": 16},
    {"type": "batch_norm"},
    {"type": "activation", "function": "tanh"},
    {"type": "dropout", "rate": 0.2},
    {"type": "dense", "units": 4},
    {"type": "dropout", "rate": 0.0},
]
"""With the parameters of others: one is of another kind, one more."""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": {"batch_size": 64}}, "train.batch_size is 32 in the checkpoint, 64 in the configuration"),
        ({"train": {"shuffle": False}}, "train.shuffle is True in the checkpoint, False in the configuration"),
        ({"seed": 4}, "seed is 3 in the checkpoint, 4 in the configuration|data is"),
        ({"loss": {"type": "cross_entropy", "label_smoothing": 0.1}}, "loss is .* in the checkpoint, .*0.1"),
        (
            {"model": {"layers": LAYERS}},
            r"(?s)layers.2 is .*relu.* in the checkpoint, .*tanh.*model.layers.5 is not ",
        ),
    ],
)
def test_a_resumed_run_keeps_its_course(make_job: JobMaker, change: dict[str, Any], message: str) -> None:
    result = run_job(make_job(train={"epochs": 1}))
    with pytest.raises(CheckpointError, match=message):
        run_job(make_job(**change), resume=result.run_id)


def test_an_option_that_a_layer_has_gained_since_is_taken_as_its_default(make_job: JobMaker) -> None:
    """Of a checkpoint that an older version wrote the configuration does not have it."""
    job = prepare_job(make_job())
    checkpoint = job.checkpoint(job.initial, run_id="run")
    older = replace(checkpoint, config=checkpoint.config.replace(", epsilon: 1.0e-05", ""))
    assert older.config != checkpoint.config
    check_same_course(older, job.config)
    other = replace(checkpoint, config=checkpoint.config.replace("epsilon: 1.0e-05", "epsilon: 0.1"))
    with pytest.raises(CheckpointError, match=r"model.layers.1 is .*0.1.* in the checkpoint"):
        check_same_course(other, job.config)


def test_a_finished_run_is_extended_and_its_schedule_changed(make_job: JobMaker) -> None:
    first = run_job(make_job(train={"epochs": 2}))
    longer = make_job(train={"epochs": 4, "schedule": {"type": "plateau"}})
    result = run_job(longer, resume="auto")
    assert (result.run_id, result.epochs, result.steps) == (first.run_id, 4, 32)
    assert [step for step, _ in points(result, "epoch/val_loss")] == [8, 16, 24, 32]


def test_what_is_changed_at_a_resume_is_told_and_recorded(make_job: JobMaker) -> None:
    adam = {"type": "adam", "learning_rate": 0.01}
    first = run_job(make_job(train={"epochs": 2}))
    assert "repeats this run, bit for bit" in page(first)
    notes = Notes()
    other = make_job(train={"epochs": 3, "optimizer": adam | {"learning_rate": 0.5}}, checkpoint={"keep": 2})
    run_job(other, resume="auto", observer=notes)
    assert notes.lines[1:] == [
        "train.epochs is 2 in the checkpoint, 3 from here on",
        "train.optimizer.learning_rate is 0.01 in the checkpoint, 0.5 from here on",
        "checkpoint.keep is 3 in the checkpoint, 2 from here on",
    ]
    changed = "train.epochs 2 -> 3, train.optimizer.learning_rate 0.01 -> 0.5, checkpoint.keep 3 -> 2"
    notes = Notes()
    last = run_job(other, resume="auto", observer=notes)  # nothing is changed now, but it was
    assert last.run_id == first.run_id
    assert len(notes.lines) == 1
    assert recorded(last.run_id).data.tags[f"{CHANGED}16"] == changed
    assert f"resumed at step 16 with other settings: {changed}" in page(last)
    assert "does not repeat this run" in page(last)
    kept = run_job(make_job(train={"epochs": 2}, checkpoint={"keep": 9}))
    patient = {"parameter_server": {"timeout_seconds": 99}, "failure": {"hang_seconds": 9, "spare_workers": 1}}
    again = run_job(make_job(train={"epochs": 2}, **patient), resume=kept.run_id)
    assert "failure.spare_workers 0 -> 1" in page(again)
    assert "repeats this run, bit for bit" in page(again)  # what is kept of a run, and who waits, does not change it
    timed = run_job(make_job(train={"epochs": 100_000, "stop": {"max_seconds": 0.05}}))
    assert "bit for bit" not in page(timed)


@pytest.mark.parametrize(("rate", "told"), [(0.5, ["steps 9 to 16"]), (0.01, [])])
def test_points_of_steps_that_are_made_in_another_way_are_told_of(
    make_job: JobMaker, rate: float, told: list[str]
) -> None:
    adam = {"type": "adam", "learning_rate": 0.01}
    first = run_job(make_job(train={"epochs": 2, "optimizer": adam}))
    shutil.rmtree(Path(first.checkpoint))  # as if the driver had been killed before it was complete
    notes = Notes()
    job = make_job(train={"epochs": 3, "optimizer": adam | {"learning_rate": rate}})
    result = run_job(job, resume="auto", observer=notes)
    assert (result.run_id, result.steps) == (first.run_id, 24)
    assert [step for step, _ in points(result, "epoch/val_loss")] == [8, 16, 24]
    assert [
        line[len("MLflow has values of ") :].partition(" from")[0] for line in notes.lines if "MLflow has" in line
    ] == told
