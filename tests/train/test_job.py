"""Whole jobs in this process: results, resuming, stopping, refusing."""

import itertools
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run

from dist_bp.checkpoint import CheckpointStore
from dist_bp.config import load_config
from dist_bp.config.data import DataConfig
from dist_bp.errors import CapacityError, CheckpointError, ConfigError, Interrupted, TrainingFailed
from dist_bp.ps.arena import Snapshot
from dist_bp.ps.worker import Worker
from dist_bp.runtime import base
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.calls import RayLost
from dist_bp.track.driver import DRIVER, identity
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.mlflow_tracker import open_tracker
from dist_bp.track.port import DESCRIPTION, TrackingSettings
from dist_bp.track.waiting import SPOOLS
from dist_bp.train import due
from dist_bp.train.course import CHANGED, ORIGIN, Course
from dist_bp.train.describe import Report
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.job import only_writer, run_job
from dist_bp.train.observer import Observer
from dist_bp.train.outcome import Outcome
from dist_bp.train.publish import pictures_of
from dist_bp.train.result import Result
from dist_bp.train.setup import prepare_job
from tests.commands import run_here
from tests.conftest import JobMaker
from tests.database import rows

pytestmark = pytest.mark.usefixtures("database")


class Notes(Observer):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    warn = note


class StopAfter(Observer):
    """Asks for an interrupt, as Ctrl-C would, once an epoch is over."""

    def __init__(self, epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self._epoch = epoch
        self._interrupts: list[Interrupt] = []
        enter = Interrupt.__enter__

        def remember(interrupt: Interrupt) -> Interrupt:
            self._interrupts.append(interrupt)
            return enter(interrupt)

        monkeypatch.setattr(Interrupt, "__enter__", remember)

    def epoch(self, epoch: int, values: dict[str, float]) -> None:
        if epoch == self._epoch:
            self._interrupts[-1].requested = "SIGINT"


def recorded(run_id: str) -> Run:
    with opened_store("sqlite:///mlflow.db") as client:
        return client.get_run(run_id)


def points(result_or_id: Result | str, name: str) -> list[tuple[int, float]]:
    run_id = result_or_id if isinstance(result_or_id, str) else result_or_id.run_id
    with opened_store("sqlite:///mlflow.db") as client:
        return [(point.step, point.value) for point in client.get_metric_history(run_id, name)]


def test_a_job_learns_and_reports(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 15}, metrics=["accuracy", "f1_macro", "roc_auc"]))
    assert result.status == "FINISHED"
    assert (result.epochs, result.steps) == (15, 15 * 8)
    assert result.metrics["test_accuracy"] > 0.9
    assert set(result.metrics) == {
        f"{split}_{name}" for split in ("train", "val", "test") for name in ("loss", "accuracy", "f1_macro", "roc_auc")
    } - {"train_roc_auc"}
    assert Path(result.checkpoint, "manifest.json").is_file()
    run = recorded(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["train.batch_size"] == "32"
    assert run.data.metrics["test_accuracy"] == pytest.approx(result.metrics["test_accuracy"])
    assert [step for step, _ in points(result, "step/loss")] == list(range(1, 121))
    assert [step for step, _ in points(result, "epoch/val_loss")] == list(range(8, 121, 8))


def test_a_warmup_longer_than_the_job_is_shortened_and_told(make_job: JobMaker) -> None:
    config = make_job(train={"epochs": 1, "schedule": {"type": "cosine", "warmup_steps": 100}})
    notes = Notes()
    result = run_job(config, observer=notes)
    told = "train.schedule.warmup_steps is 4, not 100: the job has 8 steps in all"
    assert notes.lines == [told]
    assert told in recorded(result.run_id).data.tags[DESCRIPTION]
    rates = [value for _, value in points(result, "step/learning_rate")]
    rate = config.train.optimizer.learning_rate
    assert rates[:5] == pytest.approx([rate * factor for factor in (0.25, 0.5, 0.75, 1.0, 1.0)])


def test_a_split_that_the_source_has_itself_is_told_where_somebody_asked_for_one(make_job: JobMaker) -> None:
    random = np.random.default_rng(0)
    for name, samples in (("train.npz", 100), ("test.npz", 30)):
        np.savez(name, x=random.normal(size=(samples, 3)), y=np.arange(samples) % 2)
    source = {"type": "npz", "path": "train.npz", "test_path": "test.npz"}
    layers = {"layers": [{"type": "dense", "units": 2}]}
    told = {}
    for test in (None, 0, 0.1, 0.2):
        split = {} if test is None else {"split": {"test": test}}
        config = make_job(model=layers)
        data = DataConfig.model_validate({"source": source, **split})
        told[test] = prepare_job(config.model_copy(update={"data": data})).notes
    ignored = ["data.split.test is ignored: the source has a test set of its own"]
    assert told == {None: [], 0: [], 0.1: ignored, 0.2: ignored}


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


@pytest.mark.parametrize(("method", "call", "told"), [("run", 15, "after step 14"), ("evaluate", 2, "after step 16")])
def test_ray_that_is_lost_in_a_long_step_or_validation_leaves_a_checkpoint(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch, method: str, call: int, told: str
) -> None:
    config = make_job(train={"epochs": 3}, checkpoint={"every_epochs": None})
    monkeypatch.setattr(due, "LEASE_SECONDS", 0.0)
    whole = run_job(config)
    with monkeypatch.context() as patched:
        LosesRay(patched, method, call)
        with pytest.raises(
            RayLost, match=rf"^Ray's GCS was killed\. Ended {told}: checkpoint saved; go on with resume="
        ):
            run_job(config)
    resumed = run_job(config, resume="auto")
    assert resumed.parameters_sha256 == whole.parameters_sha256
    assert resumed.metrics == whole.metrics
    for curve in ("epoch/train_loss", "epoch/val_loss"):
        assert points(resumed, curve) == points(whole, curve)


class LosesRay:
    """Ray ends within the given call of a worker, which is over only when all that can be saved is asked for."""

    def __init__(self, patched: pytest.MonkeyPatch, method: str, call: int) -> None:
        saving, calls = threading.Event(), itertools.count(1)
        started: list[Runtime] = []
        start, work, read = Runtime.start, getattr(Worker, method), Runtime.read

        def remember(runtime: Runtime, snapshot: Snapshot) -> None:
            started.append(runtime)
            start(runtime, snapshot)

        def lose(worker: Worker, argument: Any) -> Any:
            if next(calls) == call:
                started[0]._trouble.set_result("Ray's GCS was killed")
                assert saving.wait(10)
            return work(worker, argument)

        def save(runtime: Runtime) -> Snapshot:
            if runtime.trouble:
                saving.set()
            return read(runtime)

        patched.setattr(base, "GRACE_SECONDS", 1.0)
        patched.setattr(Runtime, "start", remember)
        patched.setattr(Runtime, "read", save)
        patched.setattr(Worker, method, lose)


def test_the_best_epoch_is_marked_though_max_steps_end_within_it(make_job: JobMaker) -> None:
    config = make_job(train={"epochs": 3, "stop": {"max_steps": 20}})
    job = prepare_job(config)
    rows = [{"epoch": epoch, "step": step, "train_loss": 1.0} for epoch, step in ((1, 8), (2, 16), (3, 20))]
    for row in rows:
        outcome = Outcome("", job.initial, 20, 3, int(row["step"]), Path(), 1.0, 1, rows, {}, Course())
        [picture] = pictures_of(job, outcome, Report({}, {})).values()
        assert picture.arguments["best_epoch"] == row["epoch"]


def test_the_best_epoch_is_given_back(make_job: JobMaker) -> None:
    config = make_job(
        train={"epochs": 60, "optimizer": {"type": "adam", "learning_rate": 0.05}, "stop": {"patience": 3}}
    )
    result = run_job(config)
    assert result.reason == "no improvement for 3 epochs"
    assert result.best_step is not None
    assert result.best_step == result.steps - 3 * 8
    losses = dict(points(result, "epoch/val_loss"))
    assert result.metrics["val_loss"] == pytest.approx(min(losses.values()), rel=1e-6)
    assert list(losses) == list(range(8, result.steps + 1, 8))
    assert losses[result.steps] > result.metrics["val_loss"]
    other = run_job(make_job(train={"epochs": 1}))
    told = result.metrics
    assert told.items() <= recorded(result.run_id).data.metrics.items()
    listed, compared, best = (
        json.loads(run_here("runs", *arguments, "--json").stdout)
        for arguments in (["list"], ["compare", result.run_id, other.run_id], ["best", "--metric", "val_loss"])
    )
    assert told.items() <= next(run for run in listed["runs"] if run["run_id"] == result.run_id)["metrics"].items()
    assert told == {name: compared["metrics"][name][0] for name in told}
    assert best["value"] == result.metrics["val_loss"]


@pytest.mark.parametrize(
    ("train", "reason", "steps"),
    [
        ({"stop": {"max_steps": 5}}, "max_steps reached", 5),
        ({"epochs": 50, "stop": {"monitor": "val_accuracy", "target": 0.5}}, "target 0.5 reached", None),
        ({"epochs": 100_000, "stop": {"max_seconds": 0.5}}, "max_seconds reached", None),
        ({"epochs": 2}, "all epochs done", 16),
    ],
)
def test_what_ends_training(make_job: JobMaker, train: dict[str, Any], reason: str, steps: int | None) -> None:
    result = run_job(make_job(train=train))
    assert result.reason == reason
    assert steps in (None, result.steps)
    assert result.seconds < 10


def test_a_diverging_run_stops_with_the_step_and_stays_finite(make_job: JobMaker) -> None:
    config = make_job(
        train={"optimizer": {"type": "sgd", "learning_rate": 1e30}},
        model={"layers": [{"type": "dense", "units": 4}] * 3},
    )
    with pytest.raises(TrainingFailed, match=r"NaN or infinite at step \d+.*not applied.*learning_rate"):
        run_job(config)
    assert rows("select status from runs") == [("FAILED",)]


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


def test_the_environment_names_the_store_where_the_configuration_does_not(
    make_job: JobMaker, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = database.rename("other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
    notes = Notes()
    run_job(make_job(train={"epochs": 1}), observer=notes)
    assert notes.lines[0] == f"MLFLOW_TRACKING_URI says where to record: sqlite:///{other}"
    assert len(json.loads(run_here("runs", "list", "--json").stdout)["runs"]) == 1
    assert not database.exists()
    named = make_job(tracking={"tracking_uri": "sqlite:///named.db"})
    assert named.tracking.tracking_uri == "sqlite:///named.db"
    assert not named.tracking.from_environment


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
    assert {path.name for path in Path("runs").iterdir()} == {str(started.run_id), result.run_id, "blobs-2"}
    evaluated = [
        json.loads(run_here("evaluate", name, "--json").stdout)["metrics"] for name in ("blobs-2", result.run_id[:9])
    ]
    assert evaluated[0] == evaluated[1]
    assert run_job(make_job(train={"epochs": 2}), resume="blobs-2").run_id == result.run_id


@pytest.mark.parametrize(
    ("sections", "error", "message"),
    [
        (
            {"train": {"batch_size": 500, "group_size": 32}},
            ConfigError,
            "batch_size is 500, but the training split has only 240",
        ),
        ({"model": {"layers": [{"type": "dense", "units": 3}]}}, ConfigError, "4 classes needs 4 units"),
        ({"scaling": {"num_workers": 4, "cpus_per_worker": 999}}, CapacityError, "needs 3,996 CPUs"),
        (
            {"model": {"layers": [{"type": "dense", "units": 10**9}, {"type": "dense", "units": 4}]}},
            CapacityError,
            "MiB",
        ),
        ({"checkpoint": {"directory": "/proc/nowhere"}}, CheckpointError, "/proc/nowhere"),
        (
            {"scaling": {"num_workers": 1}, "ray": {"address": "127.0.0.1:9"}},
            CapacityError,
            "nothing answers at 127.0.0.1:9",
        ),
        ({"metrics": ["top_5"]}, ConfigError, "top_5 is not defined for 4 classes"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    make_job: JobMaker, database: Path, sections: dict[str, Any], error: type[Exception], message: str
) -> None:
    database.unlink()
    with pytest.raises(error, match=message):
        run_job(make_job(**sections))
    assert not database.exists()
    assert not list(Path().glob("runs/*"))


def test_parameters_do_not_depend_on_the_order_of_runs(make_job: JobMaker) -> None:
    config = make_job(train={"epochs": 2})
    assert run_job(config).parameters_sha256 == run_job(config).parameters_sha256
    other = config.model_copy(update={"seed": 4})
    assert run_job(other).parameters_sha256 != run_job(config).parameters_sha256


def test_one_process_at_a_time_trains_a_run(make_job: JobMaker) -> None:
    config = make_job(train={"epochs": 1})
    result = run_job(config)
    status = recorded(result.run_id).info.status
    with only_writer(result.run_folder), pytest.raises(CheckpointError, match="is being trained by another process"):
        run_job(config, resume="auto")
    assert recorded(result.run_id).info.status == status == "FINISHED"


def test_several_labels_a_sample(make_job: JobMaker, workplace: Path) -> None:
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(300, 5)).astype(np.float32)
    np.savez("labels.npz", x=inputs, y=(inputs[:, :3] > 0).astype(np.int64))
    result = run_job(
        make_job(
            data={"source": {"type": "npz", "path": "labels.npz"}},
            model={"layers": [{"type": "dense", "units": 3}]},
            loss={"type": "binary_cross_entropy"},
            train={"epochs": 20},
            metrics=["accuracy", "f1_macro"],
        )
    )
    assert result.metrics["test_accuracy"] > 0.9


def test_several_targets_a_sample(make_job: JobMaker, workplace: Path) -> None:
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(300, 5)).astype(np.float32)
    np.savez("numbers.npz", x=inputs, y=inputs @ generator.normal(size=(5, 2)))
    result = run_job(
        make_job(
            data={"source": {"type": "npz", "path": "numbers.npz"}},
            model={"layers": [{"type": "dense", "units": 2}], "dtype": "float64"},
            loss={"type": "mse"},
            train={"epochs": 30, "optimizer": {"type": "adam", "learning_rate": 0.05}},
        )
    )
    assert result.metrics["test_r2"] > 0.99


# Recorded once. What moves a curve by more than rounding has changed the algorithm, and must say so.
GOLDEN = [1.3273, 0.7742, 0.6382, 0.5383, 0.4450]


def test_the_loss_curve_is_the_recorded_one(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 5}))
    assert [value for _, value in points(result, "epoch/train_loss")] == pytest.approx(GOLDEN, rel=2e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": {"batch_size": 64}}, "train.batch_size is 32 in the checkpoint, 64 in the configuration"),
        ({"train": {"shuffle": False}}, "train.shuffle is True in the checkpoint, False in the configuration"),
        ({"seed": 4}, "seed is 3 in the checkpoint, 4 in the configuration|data is"),
        ({"loss": {"type": "cross_entropy", "label_smoothing": 0.1}}, "loss is .* in the checkpoint, .*0.1"),
    ],
)
def test_a_resumed_run_keeps_its_course(make_job: JobMaker, change: dict[str, Any], message: str) -> None:
    result = run_job(make_job(train={"epochs": 1}))
    with pytest.raises(CheckpointError, match=message):
        run_job(make_job(**change), resume=result.run_id)


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
    again = run_job(make_job(train={"epochs": 2}), resume=kept.run_id)
    assert "repeats this run, bit for bit" in page(again)  # what is kept of a run does not change it
    timed = run_job(make_job(train={"epochs": 100_000, "stop": {"max_seconds": 0.05}}))
    assert "bit for bit" not in page(timed)


def page(result: Result) -> str:
    return str(recorded(result.run_id).data.tags[DESCRIPTION])


def test_passwords_are_not_recorded(make_job: JobMaker) -> None:
    job = prepare_job(make_job())
    uri = "postgresql://user:se/a secret@127.0.0.1:1/mlflow"
    tracking = job.config.tracking.model_copy(update={"tracking_uri": uri})
    secretive = replace(job, config=job.config.model_copy(update={"tracking": tracking}))
    assert "secret" not in secretive.checkpoint(job.initial).config
    assert "user:***@127.0.0.1" in secretive.checkpoint(job.initial).config


def test_the_digits_are_learnt(workplace: Path) -> None:
    configs = Path(__file__).parents[2] / "configs"
    config = load_config(configs / "digits.yaml", ["scaling.num_workers=0", "tracking.log_model=false"])
    assert run_job(config).metrics["test_accuracy"] >= 0.96


def test_problems_of_several_parts_come_at_once(make_job: JobMaker) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare_job(make_job(train={"batch_size": 500}, model={"layers": [{"type": "dense", "units": 3}]}))
    assert len(caught.value.problems) == 2


def test_a_logged_model_predicts_the_rows_of_its_training_file(make_job: JobMaker, workplace: Path) -> None:
    generator = np.random.default_rng(2)
    rows = pd.DataFrame(
        {
            "age": generator.integers(20, 60, 200),
            "member": generator.integers(0, 2, 200).astype(bool),
            "city": generator.choice(["Oslo", "Rome"], 200),
            "weight": generator.normal(70, 10, 200).round(1),
        }
    )
    rows["healthy"] = np.where(rows["weight"] < 70, "yes", "no")
    rows.to_csv("people.csv", index=False)
    result = run_job(
        make_job(
            data={
                "source": {"type": "csv", "path": "people.csv", "target": "healthy"},
                "preprocess": [{"type": "standardize"}, {"type": "one_hot"}],
            },
            model={"layers": [{"type": "dense", "units": 2}]},
            train={"epochs": 40, "optimizer": {"type": "adam", "learning_rate": 0.05}},
            tracking={"log_model": True},
        )
    )
    assert result.model_uri
    with opened_store("sqlite:///mlflow.db") as client:
        mlflow.set_tracking_uri(client.tracking_uri)
        model = mlflow.pyfunc.load_model(result.model_uri)
    raw = pd.read_csv("people.csv")
    assert (model.predict(raw)["prediction"] == raw["healthy"]).mean() > 0.9
    whole = raw.assign(age=raw["age"].astype(float), weight=raw["weight"].round().astype(int))
    assert len(model.predict(whole)) == len(raw)
