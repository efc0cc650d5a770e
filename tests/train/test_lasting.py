"""Whole jobs that lose processes without which the others cannot go on: what comes out is what would have come out."""

import random
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from dist_bp.config import JobConfig
from dist_bp.errors import CapacityError, Interrupted, TrainingFailed
from dist_bp.ps.doorbell import PeerLost
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.failures import ProcessDied
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.sweep.session import Epoch, Session
from dist_bp.track.drawing import Drawing
from dist_bp.train import due
from dist_bp.train import job as job_module
from dist_bp.train.job import Lent, run_job
from dist_bp.train.recoveries import RECOVERED
from dist_bp.train.result import Result
from tests.conftest import JobMaker
from tests.train.looking import Notes, Steered, StopAfter, page, points, recorded

pytestmark = pytest.mark.usefixtures("database")

CURVES = ("step/loss", "step/learning_rate", "step/gradient_norm", "epoch/train_loss", "epoch/val_loss")
DIED = "server 0 died: its process ended or was killed"
Open = Callable[..., None]


class Unsteady(ThreadRuntime):
    """Loses a process in the calls that `losses` tells of, by method and number, counted from 1; the lease and the like
    have been done by then. `short` says how often there is no room afterwards."""

    def __init__(self, plan: RunPlan, metrics: Any, losses: set[tuple[str, int]], short: int) -> None:
        super().__init__(plan, metrics)
        self._losses = losses
        self._counts: dict[str, int] = {}
        self.short = short

    def _may_lose(self, method: str) -> None:
        self._counts[method] = number = self._counts.get(method, 0) + 1
        if (method, number) in self._losses or (method, 0) in self._losses:
            raise ProcessDied(DIED) if number % 2 else PeerLost("server 0", "died: its process ended or was killed")

    def start(self, snapshot: Any) -> None:
        super().start(snapshot)
        self._may_lose("start")

    def reform(self, snapshot: Any) -> None:
        super().reform(snapshot)
        self._may_lose("reform")

    def train(self, *lease: Any) -> Any:
        report = super().train(*lease)
        self._may_lose("train")
        return report

    def evaluate(self, split: str, *replace: Any) -> Any:
        evaluation = super().evaluate(split, *replace)
        self._may_lose(split)
        return evaluation

    def read(self) -> Any:
        self._may_lose("read")
        return super().read()

    @property
    def may_grow(self) -> bool:
        self._counts["look"] = number = self._counts.get("look", 0) + 1
        return ("look", number) in self._losses

    def grow(self, snapshot: Any) -> None:
        super().grow(snapshot)
        raise CapacityError("node7 has no data.prepared")

    @property
    def lacking(self) -> str | None:
        self.short -= 1
        return "the job needs 2 CPUs, this Ray has 1" if self.short >= 0 else None


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Open:
    """From now on jobs run in threads of this process, and lose these."""

    def lose(*losses: tuple[str, int], short: int = 0) -> None:
        def open_runtime(job: Any, warden: Any, pool: Any = None) -> ThreadRuntime:
            plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secrets.token_bytes(32))
            return Unsteady(plan, job.metrics, set(losses), short)

        monkeypatch.setattr(job_module, "open_runtime", open_runtime)

    return lose


def job_of(make_job: JobMaker, **sections: Any) -> JobConfig:
    """Of 32 steps in 4 epochs, a point of each."""
    layers = [{"type": "dense", "units": 8}, {"type": "batch_norm"}, {"type": "dropout", "rate": 0.2}]
    base: dict[str, Any] = {
        "model": {"layers": [*layers, {"type": "dense", "units": 4}]},
        "train": {"optimizer": {"type": "adam", "learning_rate": 0.01}, "stop": {"monitor": "val_loss"}},
        "scaling": {"num_workers": 2},
        "tracking": {"every_steps": 1},
    }
    return make_job(**base | sections)


def check_points(result: Result) -> None:
    """One of each step, in their order."""
    for curve in CURVES:
        steps = range(1, 33) if curve.startswith("step/") else (8, 16, 24, 32)
        assert [step for step, _ in points(result, curve)] == list(steps), curve


def values(result: Result) -> dict[str, list[tuple[int, float]]]:
    return {curve: points(result, curve) for curve in CURVES}


@pytest.mark.parametrize("mode", [{}, {"mode": "local", "local_steps": 2}], ids=["sync", "local"])
def test_what_is_made_again_has_the_same_bits_and_one_point(
    make_job: JobMaker, lose: Open, mode: dict[str, Any]
) -> None:
    """Lost in drawn leases and evaluations: of an epoch, of the test split, in between."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")  # shown where the test fails
    drawn = random.Random(seed)
    failure = {"max_failures": 100, "snapshot_seconds": 1e-9}
    job = job_of(make_job, parameter_server=mode, failure=failure)
    lose()
    whole, notes = run_job(job), Notes()
    leases = {("train", number) for number in drawn.sample(range(2, 9), 3)}
    lose(*leases, ("validation", drawn.randrange(1, 5)), ("test", 1), ("read", drawn.randrange(3, 8)))
    result = run_job(job, observer=notes)
    assert result.parameters_sha256 == whole.parameters_sha256
    assert result.metrics == whole.metrics
    assert values(result) == values(whole)
    check_points(result)
    assert [one.remedy for one in result.recoveries] == ["restart"] * 6
    told = [line for line in notes.lines if "formed anew" in line]
    assert len(told) == 6
    for one in result.recoveries:
        assert any(line.startswith(f"{one} (") for line in told)
        assert f"{RECOVERED}{one.fault.step}_restart" in recorded(result.run_id).data.tags
    assert "- went on after 6 failures: " in page(result)


def test_each_of_several_recoveries_at_a_step_has_a_tag_of_its_own(make_job: JobMaker, lose: Open) -> None:
    lose(("train", 1), ("train", 2))
    result = run_job(job_of(make_job))
    assert [one.fault.step for one in result.recoveries] == [1, 1]
    found = {name: tag for name, tag in recorded(result.run_id).data.tags.items() if name.startswith(RECOVERED)}
    assert found.keys() == {f"{RECOVERED}1_restart", f"{RECOVERED}1_restart_2"}


def test_without_a_later_point_it_begins_again(make_job: JobMaker, lose: Open) -> None:
    job = job_of(make_job, checkpoint={"every_epochs": None, "every_steps": 9})
    lose()
    whole = run_job(job)
    lose(("train", 2))
    result = run_job(job)
    assert [(one.after, one.redone) for one in result.recoveries] == [(0, 1)]
    assert result.parameters_sha256 == whole.parameters_sha256


def test_losses_of_a_run_that_is_resumed(make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(make_job, failure={"max_failures": 9})
    lose()
    whole = run_job(job)
    with pytest.raises(Interrupted):
        run_job(job, observer=StopAfter(1, monkeypatch), run_id=None)
    lose(("start", 1), ("train", 1), ("reform", 2))
    result = run_job(job, resume="auto")
    assert result.parameters_sha256 == whole.parameters_sha256
    assert [one.after for one in result.recoveries] == [8, 8, 8]
    check_points(result)


def test_a_crash_loop_ends_with_the_cause(make_job: JobMaker, lose: Open) -> None:
    lose(("start", 0), ("reform", 0))
    started = time.monotonic()
    with pytest.raises(TrainingFailed) as error:
        run_job(job_of(make_job))
    assert time.monotonic() - started < 20
    assert str(error.value).startswith(f"{DIED}, at step 1; more failures than failure.max_failures (3); before that ")
    lose(("train", 3), ("reform", 0))
    with pytest.raises(TrainingFailed, match=r"failure.max_failures \(3\).* Ended after step \d+: checkpoint saved"):
        run_job(job_of(make_job))
    lose(("train", 3))
    with pytest.raises(
        TrainingFailed, match=re.escape("more failures than failure.max_failures (0). Ended after step ")
    ):
        run_job(job_of(make_job, failure={"max_failures": 0}))


def test_it_waits_for_room_and_says_so(make_job: JobMaker, lose: Open) -> None:
    notes = Notes()
    lose(("train", 3), short=3)
    result = run_job(job_of(make_job), observer=notes)
    assert result.steps == 32
    assert [line for line in notes.lines if "room" in line] == [
        "waiting for room for the processes: the job needs 2 CPUs, this Ray has 1"
    ]
    lose(("train", 3), short=10**9)
    with pytest.raises(TrainingFailed, match=r"this Ray has 1. Ended after step \d+: checkpoint saved"):
        run_job(job_of(make_job, ray={"start_seconds": 0.1}))


def test_more_workers_that_cannot_begin_cost_but_time(make_job: JobMaker, lose: Open) -> None:
    lose()
    job, notes = job_of(make_job), Notes()
    whole = run_job(job)
    lose(("look", 2), ("look", 3))
    result = run_job(job, observer=notes)
    assert (result.parameters_sha256, result.recoveries) == (whole.parameters_sha256, whole.recoveries)
    assert values(result) == values(whole)
    assert [line for line in notes.lines if "more workers" in line] == [
        "no more workers, though there seemed to be room for them: node7 has no data.prepared"
    ] * 2


@pytest.mark.parametrize("gone", [0, 1], ids=["other nodes cannot do it", "the room goes again"])
def test_processes_that_cannot_be_formed_anew_end_the_run_with_a_checkpoint(
    gone: int, make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reform(runtime: Unsteady, *_: object) -> None:
        runtime.short = gone * 10**9
        raise CapacityError("node7 has no data.prepared")

    job = job_of(make_job, checkpoint={"every_epochs": None}, ray={"start_seconds": 0.1})
    lose()
    whole = run_job(job)
    lose(("train", 3))
    told = "this Ray has 1" if gone else "node7 has no data.prepared"
    with monkeypatch.context() as patched:
        patched.setattr(Unsteady, "reform", reform)
        with pytest.raises(TrainingFailed, match=rf"{told}. Ended after step \d+: checkpoint saved; go on with "):
            run_job(job)
    assert run_job(job, resume="auto").parameters_sha256 == whole.parameters_sha256


def test_what_is_in_memory_is_saved_where_ray_takes_the_rest_with_it(
    make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on several nodes, whose memory can be read by way of Ray alone."""
    job = job_of(make_job, checkpoint={"every_epochs": None}, failure={"snapshot_seconds": 1e-9})
    lose()
    whole = run_job(job)
    train = Unsteady.train

    def lost(*_: Any) -> Any:
        raise RayLost("Ray's GCS has crashed")

    with monkeypatch.context() as patched:

        def until_ray_is_lost(runtime: Unsteady, first: int, *lease: Any) -> Any:
            if first >= 16:
                patched.setattr(Unsteady, "read", lost)
                lost()
            return train(runtime, first, *lease)

        patched.setattr(Unsteady, "train", until_ray_is_lost)
        with pytest.raises(RayLost, match=r"has crashed. Ended after step 16: checkpoint saved; go on with "):
            run_job(job)
    assert run_job(job, resume="auto").parameters_sha256 == whole.parameters_sha256


@pytest.mark.parametrize("moment", ["lacking", "_planned", "write"])
def test_ray_that_is_lost_while_processes_are_formed_anew_leaves_where_the_run_stands(
    moment: str, make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is asked for room, when the old processes have let go of everything, and before the new ones have any."""
    monkeypatch.setattr(due, "LEASE_SECONDS", 0.0)
    job = job_of(make_job, checkpoint={"every_epochs": None}, failure={"snapshot_seconds": 1e-9})
    lose()
    whole = run_job(job)

    def lost(*_: Any) -> Any:
        raise RayLost("Ray did not answer for 30 s")

    def lacking(_: Unsteady) -> None:
        patched.setattr(Unsteady, moment, lost)

    lose(("train", 12))
    with monkeypatch.context() as patched:
        patched.setattr(Unsteady, "lacking", property(lost if moment == "lacking" else lacking))
        with pytest.raises(RayLost, match=r"for 30 s. Ended after step 11: checkpoint saved; go on with "):
            run_job(job)
    resumed = run_job(job, resume="auto")
    assert resumed.parameters_sha256 == whole.parameters_sha256
    assert values(resumed) == values(whole)


def test_a_skipped_step_is_not_found_again(make_job: JobMaker, lose: Open) -> None:
    """Where a process is lost after it."""
    layers = [{"type": "dense", "units": 8}, {"type": "tests.runtime.layers:NotFinite", "at": [4], "group": -1}]
    job = job_of(make_job, model={"layers": layers}, failure={"non_finite": "skip"})
    lose(("train", 4))
    result = run_job(job)
    assert sorted(one.remedy for one in result.recoveries) == ["restart", "skip"]


@pytest.mark.parametrize("number", range(1, 5))
def test_one_that_is_given_up_ends_there_whatever_is_lost_afterwards(
    number: int, make_job: JobMaker, lose: Open
) -> None:
    """Lost in one of the reads, from that of its first epoch to the last one."""
    job = job_of(make_job, checkpoint={"every_epochs": None})
    lose()
    whole = run_job(job, lent=Lent(Steered(gives_up=2)))
    lose(("read", number))
    steering = Steered(gives_up=2)
    result = run_job(job, lent=Lent(steering))
    assert [one.remedy for one in result.recoveries] == ["restart"]
    assert (result.steps, result.reason) == (16, "given up")
    assert steering.epochs == [1, 2]
    assert result.parameters_sha256 == whole.parameters_sha256


def test_a_sweep_gets_the_checkpoint_that_it_asked_for_of_one_that_loses_processes(
    make_job: JobMaker, lose: Open
) -> None:
    lose(("read", 2))  # the first is that of the best epoch
    session = Session(job_of(make_job, checkpoint={"every_epochs": None}), "", None, lambda _: True, Pool(), Drawing())
    for number in (1, 2):
        answer = session.advance(60)
        assert isinstance(answer, Epoch)
        assert answer.number == number
        if number == 1:
            assert session.save().name == "step-000000008"
    session.stop()
    session.join()


def test_a_signal_ends_a_start_that_fails_before_it_is_tried_again(
    make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopAtOnce(StopAfter):
        def warn(self, text: str) -> None:
            told.append(text)
            self.stop()

    told: list[str] = []
    lose(("start", 0), ("reform", 0))
    with pytest.raises(Interrupted, match="SIGINT before training began"):
        run_job(job_of(make_job), observer=StopAtOnce(0, monkeypatch))
    assert len(told) == 1


def test_after_a_signal_no_processes_are_formed_anew_only_to_save(
    make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, observer, train = job_of(make_job), StopAfter(9, monkeypatch), Unsteady.train
    lose()
    whole = run_job(job)

    def signalled(runtime: Unsteady, first: int, *lease: Any) -> Any:
        if first:
            observer.stop()
            raise ProcessDied(DIED)
        return train(runtime, first, *lease)

    def reform(_: Unsteady, snapshot: Any) -> None:
        raise AssertionError(f"formed anew at step {snapshot.step}")

    with monkeypatch.context() as patched:
        patched.setattr(Unsteady, "train", signalled)
        patched.setattr(Unsteady, "reform", reform)
        with pytest.raises(Interrupted, match=r"^SIGINT after step 0: checkpoint saved; go on with "):
            run_job(job, observer=observer)
    assert run_job(job, resume="auto").parameters_sha256 == whole.parameters_sha256
