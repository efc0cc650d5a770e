"""Checkpoints are written beside the training, one after the other, and failures are told."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dist_bp.checkpoint import CheckpointStore
from dist_bp.errors import CheckpointError, TrainingFailed
from dist_bp.train.job import Lent, run_job
from dist_bp.train.saving import Saver
from tests.checkpoint.samples import assert_equal, sample
from tests.conftest import JobMaker
from tests.train.looking import Steered

SECONDS = 10.0


class Store:
    """Takes checkpoints, numbers here, as slowly as told; the tracker as well."""

    directory = Path("nowhere")
    run_id = "r1"

    def __init__(self) -> None:
        self.free = threading.Event()
        self.written: list[Any] = []
        self.order: list[str] = []

    def save(self, checkpoint: Any, monitored: float | None) -> Path:
        assert self.free.wait(SECONDS)
        if checkpoint is None:
            raise CheckpointError("the disk is full")
        self.written.append((checkpoint, monitored))
        self.order.append("checkpoint")
        return Path(str(checkpoint))

    def keep(self) -> None:
        self.order.append("points")

    def log_checkpoints(self, models: Any) -> None:
        self.order.append(models)


def test_training_goes_on_while_a_checkpoint_is_written() -> None:
    store: Any = Store()
    with Saver(store, store, None) as saver:
        saver.save(1, 0.5)  # type: ignore[arg-type]
        assert store.written == []
        assert saver.newest == Path("nowhere")
        store.free.set()
        saver.save(2, None)  # type: ignore[arg-type]
        assert saver.newest == Path("1")
        saver.finish()
        assert saver.newest == Path("2")
    assert store.written == [(1, 0.5), (2, None)]


def test_points_are_kept_before_and_models_logged_after() -> None:
    store: Any = Store()
    store.free.set()
    with Saver(store, store, "models") as saver:  # type: ignore[arg-type]
        saver.save(1, None)  # type: ignore[arg-type]
    assert store.order == ["points", "checkpoint", "models"]


def test_the_last_one_is_read_once_it_is_written_and_must_be_intact(tmp_path: Path) -> None:
    given = sample()
    with Saver(CheckpointStore(tmp_path), Store(), None) as saver:  # type: ignore[arg-type]
        saver.save(given, None)
        assert_equal(saver.last(), given)
        model = saver.newest / "model.safetensors"
        model.write_bytes(model.read_bytes()[:-1])
        with pytest.raises(TrainingFailed, match=r"^there is no way back: .*model\.safetensors is truncated"):
            saver.last()


def test_leaving_waits_for_the_last_one() -> None:
    store: Any = Store()
    with Saver(store, store, None) as saver:
        saver.save(1, None)  # type: ignore[arg-type]
        threading.Timer(0.1, store.free.set).start()
    assert store.written == [(1, None)]


def test_what_could_not_be_written_ends_the_run_at_the_next_one() -> None:
    store: Any = Store()
    store.free.set()
    with Saver(store, store, None, "go on with resume='r1'") as saver:
        saver.save(None, None)  # type: ignore[arg-type]
        with pytest.raises(TrainingFailed, match="the disk is full; then go on with resume='r1'"):
            saver.save(2, None)  # type: ignore[arg-type]
    assert store.written == []


def test_what_could_not_be_written_is_noticed_before_the_next_one() -> None:
    store: Any = Store()
    store.free.set()
    with Saver(store, store, None) as saver:
        saver.save(None, None)  # type: ignore[arg-type]
        with pytest.raises(TrainingFailed, match="the disk is full"):
            check_for(SECONDS, saver)


def check_for(seconds: float, saver: Saver) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        saver.check()


def test_a_run_that_fails_says_that_its_checkpoint_is_missing_too() -> None:
    store: Any = Store()
    store.free.set()
    with pytest.raises(TrainingFailed, match=r"worker 1 died; nor could .* written: the disk is full"):
        fail_while_saving(store)


def fail_while_saving(store: Any) -> None:
    with Saver(store, store, None) as saver:
        saver.save(None, None)  # type: ignore[arg-type]
        raise TrainingFailed("worker 1 died")


@pytest.mark.parametrize("steering", [None, Steered()])
def test_a_trial_is_not_told_to_go_on_without_its_sweep(
    make_job: JobMaker, database: Path, monkeypatch: pytest.MonkeyPatch, steering: Steered | None
) -> None:
    def save(*_: Any) -> Path:
        raise CheckpointError("the disk is full")

    monkeypatch.setattr(CheckpointStore, "save", save)
    with pytest.raises(TrainingFailed) as failed:
        run_job(make_job(train={"epochs": 2}), lent=Lent(steering))
    assert str(failed.value).startswith("the disk is full")
    assert ("go on with resume=" in str(failed.value)) == (steering is None)
