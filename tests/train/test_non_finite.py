"""Whole jobs in which a loss is NaN: that update is never made, and the run skips it, goes back, or ends."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from dist_bp.config import JobConfig
from dist_bp.errors import Interrupted, TrainingFailed
from dist_bp.train.job import Lent, run_job
from dist_bp.train.recoveries import RECOVERED
from dist_bp.train.result import Result
from tests.commands import run_here
from tests.conftest import JobMaker
from tests.database import rows
from tests.train.looking import Notes, Steered, StopAfter, page, points, recorded

pytestmark = pytest.mark.usefixtures("workers_in_threads", "database")

LAYERS = "tests.runtime.layers"
CURVES = ("step/loss", "step/learning_rate", "step/gradient_norm", "epoch/train_loss", "epoch/val_loss")
SIZES = [32] * 7 + [16]
"""Samples of the steps of an epoch."""


def spoilt(make_job: JobMaker, kind: str, options: dict[str, Any], **sections: Any) -> JobConfig:
    """A job of 32 steps, one of whose layers is `kind`; plain descent moves nothing where there is no gradient."""
    layers = [{"type": "dense", "units": 8, "activation": "tanh"}, {"type": f"{LAYERS}:{kind}", **options}]
    train = {"optimizer": {"type": "sgd", "learning_rate": 0.2}} | sections.pop("train", {})
    return make_job(model={"layers": layers}, train=train, **sections)


def skipping(make_job: JobMaker, at: Sequence[int], group: int = -1, most: int = 10, **sections: Any) -> JobConfig:
    failure = {"non_finite": "skip", "max_failures": most}
    return spoilt(make_job, "NotFinite", {"at": [*at], "group": group}, failure=failure, **sections)


def check_points(result_or_id: Result | str, steps: Sequence[int]) -> None:
    """Each curve has one point of each of its steps, in their order."""
    for curve in CURVES:
        wanted = steps if curve.startswith("step/") else (8, 16, 24, 32)
        found = points(result_or_id, curve)
        assert [step for step, _ in found] == list(wanted), curve
        assert all(math.isfinite(value) for _, value in found)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_skipped_update_changes_nothing_and_counts_nowhere(make_job: JobMaker, workers: int) -> None:
    at, scaling, notes = [5, 6, 20], {"num_workers": workers}, Notes()
    result = run_job(skipping(make_job, at, group=3, scaling=scaling), observer=notes)
    unmoved = run_job(spoilt(make_job, "Unmoved", {"at": at}, scaling=scaling))
    assert result.parameters_sha256 == unmoved.parameters_sha256
    assert result.metrics["val_loss"] == unmoved.metrics["val_loss"]
    assert result.steps == 32
    steps = [step for step in range(1, 33) if step - 1 not in at]
    check_points(result, steps)
    losses, sizes = dict(points(result, "step/loss")), dict(enumerate(SIZES * 4, 1))
    for epoch, mean in points(result, "epoch/train_loss"):
        own = [step for step in range(epoch - 7, epoch + 1) if step in losses]
        assert mean == pytest.approx(sum(losses[step] * sizes[step] for step in own) / sum(sizes[step] for step in own))
    worker = max(workers - 1, 0)
    assert [(one.fault.step, one.fault.worker, one.remedy, one.redone) for one in result.recoveries] == [
        (step + 1, worker, "skip", 0) for step in at
    ]
    where = f"the loss is NaN or infinite at step 21 on worker {worker}, first in the gradient of 0.weight"
    [line] = [line for line in notes.lines if "step 21" in line]
    assert line.startswith(f"{where}: that update is skipped (")
    assert recorded(result.run_id).data.tags[f"{RECOVERED}21"] == line
    told = [f"step {step + 1}: the loss is NaN or infinite on worker {worker}, skipped" for step in at]
    assert f"- went on after 3 failures: {'; '.join(told)}\n" in page(result)
    assert points(result, "system/recovery_redone_steps") == [(step + 1, 0.0) for step in at]
    assert [step for step, _ in points(result, "system/recovery_seconds")] == [step + 1 for step in at]


def test_accuracy_in_training_is_that_of_the_steps_that_were_made(make_job: JobMaker) -> None:
    still = {"optimizer": {"type": "sgd", "learning_rate": 1e-30}}
    accuracy = dict(points(run_job(skipping(make_job, range(8, 15), train=still)), "epoch/train_accuracy"))
    assert accuracy[8] == accuracy[24] == accuracy[32]
    assert accuracy[16] * 16 == pytest.approx(round(accuracy[16] * 16))  # of the 16 samples of the last step alone


@pytest.mark.parametrize(
    ("mode", "at", "told", "left_out"),
    [
        ({"mode": "local", "local_steps": 4}, [9], [9], [8, 9, 10, 11]),
        ({"mode": "local", "local_steps": 3}, [7, 8], [7, 9], [6, 7, 8]),  # a round ends where an epoch does
        ({"mode": "backup", "backup_workers": 1}, [9, 31], [10, 32], [9, 31]),
    ],
    ids=lambda value: str(value),
)
def test_modes_skip_what_makes_one_update(
    make_job: JobMaker, mode: dict[str, Any], at: list[int], told: list[int], left_out: list[int]
) -> None:
    sections = {"parameter_server": mode, "scaling": {"num_workers": 2}}
    result = run_job(skipping(make_job, at, **sections))
    assert result.steps == 32
    assert [one.fault.step for one in result.recoveries] == told
    check_points(result, [step for step in range(1, 33) if step - 1 not in left_out])
    if mode["mode"] == "local":
        unmoved = run_job(spoilt(make_job, "Unmoved", {"at": left_out}, **sections))
        assert result.parameters_sha256 == unmoved.parameters_sha256


def test_windows_of_the_step_curves_leave_out_what_is_skipped(make_job: JobMaker) -> None:
    every = [
        dict(points(run_job(skipping(make_job, [5, 6, 7, 8], tracking={"every_steps": n})), "step/loss"))
        for n in (1, 3)
    ]
    assert list(every[1]) == [3, 6, 12, 15, 18, 21, 24, 27, 30]
    assert every[1][6] == pytest.approx((every[0][4] + every[0][5]) / 2)
    assert every[1][12] == pytest.approx((every[0][10] + every[0][11] + every[0][12]) / 3)


def test_a_run_goes_on_from_a_checkpoint_after_what_it_skipped(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = skipping(make_job, [3, 15, 16], most=3)
    whole = run_job(config)
    with pytest.raises(Interrupted):
        run_job(config, observer=StopAfter(2, monkeypatch))
    resumed = run_job(config, resume="auto")
    assert (resumed.parameters_sha256, resumed.metrics) == (whole.parameters_sha256, whole.metrics)
    assert [one.fault for one in resumed.recoveries] == [one.fault for one in whole.recoveries]
    assert points(resumed, "system/recovery_redone_steps") == points(whole, "system/recovery_redone_steps")
    check_points(resumed, [step for step in range(1, 33) if step - 1 not in (3, 15, 16)])


def test_an_epoch_of_which_every_step_was_skipped(make_job: JobMaker) -> None:
    config = skipping(make_job, [1], train={"batch_size": 240, "stop": {"monitor": "train_loss", "patience": 2}})
    result = run_job(config)
    assert (result.steps, result.reason) == (4, "all epochs done")
    found = points(result, "epoch/train_loss")
    assert [step for step, _ in found] == [1, 2, 3, 4]
    assert [math.isnan(value) for _, value in found] == [False, True, False, False]


def test_a_run_whose_losses_are_all_nan_ends_after_max_failures(make_job: JobMaker) -> None:
    config = skipping(make_job, [3, *range(10, 20)], most=3)
    with pytest.raises(TrainingFailed) as caught:
        run_job(config)
    message = str(caught.value)
    assert message.startswith("the loss is NaN or infinite at step 13 on worker 0")
    assert "more failures than failure.max_failures (3)" in message
    told = [f"step {step}: the loss is NaN or infinite on worker 0, skipped" for step in (4, 11, 12)]
    assert f"; before that {'; '.join(told)}. Ended" in message
    assert "after step 12: checkpoint saved; go on with" in message
    assert "\n" not in message
    assert rows("select status from runs") == [("FAILED",)]
    # all but the last NaN are in the checkpoint: one more failure may be borne from there
    with pytest.raises(TrainingFailed, match=r"at step 14 .*more failures than failure\.max_failures \(4\)"):
        run_job(skipping(make_job, [3, *range(10, 20)], most=4), resume="auto")
    result = run_job(skipping(make_job, [3, *range(10, 20)], most=40), resume="auto")
    assert result.parameters_sha256 == run_job(skipping(make_job, [3, *range(10, 20)], most=40)).parameters_sha256
    check_points(result, [*range(1, 4), *range(5, 11), *range(21, 33)])


def fragile(make_job: JobMaker, **sections: Any) -> JobConfig:
    """A job whose network grows too large at its learning rate, but not at half of it."""
    train = {"optimizer": {"type": "sgd", "learning_rate": 3.0}}
    given = {"failure": {"non_finite": "rollback"}, "checkpoint": {"every_epochs": None, "every_steps": 11}}
    return spoilt(make_job, "Fragile", {"limit": 7.0}, train=train, **(given | sections))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_rollback_goes_on_with_a_lower_learning_rate(make_job: JobMaker, workers: int) -> None:
    config, notes = fragile(make_job, scaling={"num_workers": workers}), Notes()
    result = run_job(config, observer=notes)
    [recovery] = result.recoveries
    assert (recovery.fault.step, recovery.remedy, recovery.redone) == (29, "rollback", 6)
    [line] = [line for line in notes.lines if "back to step" in line]
    assert "at step 29 on worker" in line
    assert ": back to step 22 with 0.5 times the learning rate, 6 steps to be made again (" in line
    assert recorded(result.run_id).data.tags[f"{RECOVERED}29"] == line
    assert points(result, "system/recovery_redone_steps") == [(29, 6.0)]
    check_points(result, range(1, 33))
    assert [rate for _, rate in points(result, "step/learning_rate")] == [3.0] * 22 + [1.5] * 10
    again = run_job(config)
    assert (again.parameters_sha256, again.metrics) == (result.parameters_sha256, result.metrics)
    for curve in CURVES:
        assert points(again, curve) == points(result, curve)


def test_a_run_goes_on_from_a_checkpoint_after_a_rollback(make_job: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    config, notes = fragile(make_job), Notes()
    whole = run_job(config)
    with pytest.raises(Interrupted):
        run_job(config, observer=StopAtRecovery(monkeypatch))
    resumed = run_job(config, resume="auto", observer=notes)
    assert any("the learning rate is 0.5 times that of the configuration" in line for line in notes.lines)
    assert (resumed.parameters_sha256, resumed.metrics) == (whole.parameters_sha256, whole.metrics)
    assert [one.fault for one in resumed.recoveries] == [one.fault for one in whole.recoveries]
    assert points(resumed, "system/recovery_redone_steps") == points(whole, "system/recovery_redone_steps")
    check_points(resumed, range(1, 33))


class StopAtRecovery(StopAfter):
    """Asks for an interrupt at the first thing that goes wrong."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(-1, monkeypatch)

    def warn(self, text: str) -> None:
        self.stop()


@pytest.mark.parametrize("mode", [{}, {"mode": "ssp", "max_staleness": 2}], ids=str)
def test_the_same_fault_again_ends_the_run(make_job: JobMaker, mode: dict[str, Any]) -> None:
    sections = {"scaling": {"num_workers": 2}, "parameter_server": mode, "failure": {"non_finite": "rollback"}}
    config, notes = spoilt(make_job, "NotFinite", {"at": [11]}, **sections), Notes()
    with pytest.raises(TrainingFailed) as caught:
        run_job(config)
    where = r"the loss is NaN or infinite at step 12 on worker [01], first in the gradient of 0\.weight"
    again = "that update was not applied; the same again, though with a lower learning rate"
    before = r"before that step 12: the loss is NaN or infinite on worker [01], back to step 8"
    assert re.fullmatch(rf"{where}; {again}; {before}\. Lower .*clip_norm", str(caught.value))
    [(run_id, status)] = rows("select run_uuid, status from runs")
    assert status == "FAILED"
    with pytest.raises(TrainingFailed, match="the same again"):
        run_job(config, resume="auto", observer=notes)
    assert not any("back to step" in line for line in notes.lines)  # whoever goes on does not try it once more
    assert [step for step, _ in points(run_id, "step/loss")] == list(range(1, 12))


def test_a_mode_whose_order_is_chance_goes_back_too_and_comes_to_an_end(make_job: JobMaker) -> None:
    sections = {"parameter_server": {"mode": "async"}, "failure": {"non_finite": "rollback"}}
    with pytest.raises(TrainingFailed, match=r"(the same again|more failures).*, back to step 8"):
        run_job(spoilt(make_job, "NotFinite", {"at": [11]}, scaling={"num_workers": 2}, **sections))


def test_without_a_checkpoint_there_is_no_way_back(make_job: JobMaker) -> None:
    rollback = {"failure": {"non_finite": "rollback"}, "checkpoint": {"every_epochs": 2}}
    with pytest.raises(TrainingFailed, match=r"at step 12 .*; no checkpoint to go back to\. Lower"):
        run_job(spoilt(make_job, "NotFinite", {"at": [11]}, **rollback))


def test_the_command_tells_what_a_run_recovered_from(make_job: JobMaker) -> None:
    for name, config in {
        "skip": skipping(make_job, [4]),
        "many": skipping(make_job, [4, 5], most=1),
    }.items():
        Path(f"{name}.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True)))
    done = run_here("train", "skip.yaml", "--json")
    assert done.returncode == 0, done.stderr
    [told] = json.loads(done.stdout.splitlines()[-1])["recoveries"]
    where = {"kind": "non_finite", "step": 5, "what": "the loss is NaN or infinite", "worker": 0}
    assert told.pop("seconds") > 0
    assert told == {"fault": where | {"parameter": "0.weight"}, "remedy": "skip", "after": 5, "redone": 0}
    line = (
        "the loss is NaN or infinite at step 5 on worker 0, first in the gradient of 0.weight: that update is skipped"
    )
    assert f"warning: {line}" in done.stderr
    short = f"step 5: {where['what']} on worker 0, skipped"
    assert f"recovered       {short}\n" in done.stderr
    failed = run_here("train", "many.yaml", "--quiet")
    assert failed.returncode == 1
    [_, error] = failed.stderr.splitlines()
    assert error.startswith("error: the loss is NaN or infinite at step 6 on worker 0")
    assert f"more failures than failure.max_failures (1); before that {short}. Ended after step 5" in error


def test_what_steers_a_run_hears_of_each_epoch_once(make_job: JobMaker) -> None:
    steering = Steered()
    result = run_job(fragile(make_job), lent=Lent(steering=steering))
    assert [one.redone for one in result.recoveries] == [6]  # the end of an epoch among them
    assert steering.epochs == [1, 2, 3]
