"""Where a run stands: what follows from it, and that a checkpoint brings all of it back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.checkpoint import CheckpointStore, load
from dist_bp.errors import CheckpointError
from dist_bp.runtime.base import LeaseReport
from dist_bp.train.course import Change, Course
from dist_bp.train.due import checkpoint_due, lease_end, verdict
from dist_bp.train.setup import prepare_job
from dist_bp.train.state import RunState
from tests.conftest import JobMaker

STEPS = 8  # an epoch
LOCAL: dict[str, Any] = {"parameter_server": {"mode": "local", "local_steps": 3}}


def state_of(make_job: JobMaker, **sections: Any) -> RunState:
    return RunState(prepare_job(make_job(**sections)))


def report(steps: int) -> LeaseReport:
    ones = np.ones(steps)
    return LeaseReport(ones, 32 * ones, 32 * ones, ones, ones, [], [], {}, None)


@pytest.mark.parametrize(
    ("train", "step", "seconds", "why"),
    [
        ({"epochs": 3}, 2 * STEPS, 0.0, None),
        ({"epochs": 3}, 3 * STEPS, 0.0, "all epochs done"),
        ({"epochs": 3, "stop": {"max_steps": 5}}, 4, 0.0, None),
        ({"epochs": 3, "stop": {"max_steps": 5}}, 5, 0.0, "max_steps reached"),
        ({"epochs": 3, "stop": {"max_steps": STEPS}}, STEPS, 0.0, "max_steps reached"),
        ({"epochs": 3, "stop": {"max_seconds": 2}}, 3, 1.9, None),
        ({"epochs": 3, "stop": {"max_seconds": 2}}, 3, 2.0, "max_seconds reached"),
        ({"epochs": 3, "stop": {"target": 0.5}}, STEPS, 0.0, "target 0.5 reached"),
        ({"epochs": 3, "stop": {"target": 0.5}}, STEPS + 1, 0.0, None),
        ({"epochs": 3, "stop": {"target": 0.1}}, STEPS, 0.0, None),
    ],
)
def test_why_training_ends(
    make_job: JobMaker, train: dict[str, Any], step: int, seconds: float, why: str | None
) -> None:
    state = state_of(make_job, train=train)
    state.step = STEPS
    state.measured({"train_loss": 1.0, "val_loss": 0.5})
    state.step, state.seconds = step, seconds
    assert verdict(state) == why


@pytest.mark.parametrize(
    ("sections", "step", "step_seconds", "end"),
    [
        ({}, 0, None, 1),
        ({}, 1, 0.4, 3),
        ({}, 1, 0.001, STEPS),
        ({"checkpoint": {"every_steps": 5}}, 1, 0.001, 5),
        ({"train": {"epochs": 1, "stop": {"max_steps": 3}}}, 1, 0.001, 3),
        ({"train": {"stop": {"max_seconds": 1}}}, 1, 0.25, 3),
        ({"parameter_server": {"mode": "local", "local_steps": 4}}, 1, 0.9, 4),
        (LOCAL | {"checkpoint": {"every_steps": 5}}, 3, 0.001, 6),
        (LOCAL | {"train": {"stop": {"max_seconds": 1}}}, 0, 0.25, 3),
    ],
)
def test_how_far_a_lease_goes(
    make_job: JobMaker, sections: dict[str, Any], step: int, step_seconds: float | None, end: int
) -> None:
    state = state_of(make_job, **sections)
    state.step, state.seconds = step, 0.5
    assert lease_end(state, step_seconds) == end


def test_leases_are_short_while_a_worker_is_to_be_replaced(make_job: JobMaker) -> None:
    """Who joins between two."""
    state = state_of(make_job)
    assert lease_end(state, 0.125) == 8
    assert lease_end(state, 0.125, awaiting=True) == 2


@pytest.mark.parametrize(
    ("settings", "sections", "due"),
    [
        ({"every_epochs": 2}, {}, {2 * STEPS}),
        ({"every_epochs": None, "every_steps": 5}, {}, {5, 10, 15}),
        ({"every_epochs": 1, "every_steps": 6}, {}, {6, STEPS, 12, 2 * STEPS}),
        ({"every_epochs": None}, {}, set()),
        ({"every_epochs": None, "every_steps": 5}, LOCAL, {6, 12, 15}),
        ({"every_epochs": None, "every_steps": 1}, LOCAL, {3, 6, STEPS, 9, 12, 15, 2 * STEPS}),
    ],
)
def test_which_steps_have_a_checkpoint(
    make_job: JobMaker, settings: dict[str, Any], sections: dict[str, Any], due: set[int]
) -> None:
    """Steps that end a lease; of several that make one update the last."""
    state, found = state_of(make_job, checkpoint=settings, **sections), set()
    while state.step < 2 * STEPS:
        state.step = lease_end(state, 1000)
        if checkpoint_due(state):
            found.add(state.step)
    assert found == due


def test_a_checkpoint_brings_all_of_it_back(make_job: JobMaker, tmp_path: Path) -> None:
    rules = {"epochs": 9, "schedule": {"type": "plateau", "patience": 1}, "stop": {"patience": 5}}
    state = state_of(make_job, train=rules, tracking={"every_steps": 5})
    for epoch, loss in enumerate((0.5, 0.7, 0.7), 1):
        state.add(state.step, report(STEPS), 0.25)
        if state.measured({"train_loss": 1.0, "val_loss": loss}):
            state.best = replace(state.job.initial, step=state.step)
        state.texts[epoch] = f"text {epoch}"
    points = state.add(state.step, report(3), 0.25)
    assert [step for step, _ in points] == [25]
    assert (state.kept_step, state.kept["val_loss"], state.rate_factor) == (STEPS, 0.5, 0.5)
    state.run_id, state.course = "run", Course("other, step 3", (Change(3, "train.epochs", "1", "9"),))
    committed = replace(state.job.initial, step=state.step)
    path = CheckpointStore(tmp_path).save(state.checkpoint(committed))
    back, version = RunState.restored(state.job, load(path))
    assert back.saved == version.step == 3 * STEPS + 3
    assert back.best is not None
    np.testing.assert_array_equal(back.best.parameters, committed.parameters)
    for name in ("step", "seconds", "samples", "stopping", "window", "history", "course", "texts", "run_id"):
        assert getattr(back, name) == getattr(state, name), name
    assert (back.kept, back.rate_factor, back.epoch) == (state.kept, state.rate_factor, state.epoch)
    assert (back.meter.loss, back.meter.count, back.meter.seconds) == (3.0, 96, 0.25)
    assert back.add(back.step, report(3), 0.1)[0][0] == 30  # the window of 5 steps goes on
    again = CheckpointStore(tmp_path / "again").save(RunState.restored(state.job, load(path))[0].checkpoint(version))
    for file in path.glob("*.safetensors"):
        assert (again / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("spoiled", [{"course": 5}, {"course": ["", [["3", "a", "b", "c"]]]}, {"seconds": None}])
def test_a_state_that_is_none_is_one_clear_line(make_job: JobMaker, spoiled: dict[str, Any]) -> None:
    state = state_of(make_job)
    checkpoint = state.checkpoint(state.job.initial)
    with pytest.raises(CheckpointError, match="no run goes on from this checkpoint"):
        RunState.restored(state.job, replace(checkpoint, loop_state=checkpoint.loop_state | spoiled))


def test_debts_of_another_model_are_one_clear_line(make_job: JobMaker) -> None:
    state = state_of(make_job)
    checkpoint = state.checkpoint(replace(state.job.initial, owed={"0/1": np.zeros(3), "1/0": np.zeros(4)}))
    with pytest.raises(
        CheckpointError, match=r"^no run goes on .*: what its nodes owe each other is of another model$"
    ):
        RunState.restored(state.job, checkpoint)
