"""Whole jobs that lose all their workers in an evaluation: what is decided about that, and what ends the waiting."""

import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import pytest

from dist_bp.errors import Interrupted, TrainingFailed
from dist_bp.ps.bringup import Call
from dist_bp.ps.doorbell import Peer
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.failures import ProcessDied
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train import job as job_module
from dist_bp.train.job import run_job
from dist_bp.train.setup import PreparedJob
from tests.conftest import JobMaker
from tests.train.looking import Notes, StopAfter

T = TypeVar("T")

pytestmark = pytest.mark.usefixtures("database")


OF_ANOTHER = {"fence": True, "admit": None, "join": None, "introduce": None, "meet": None}
"""What is answered where one that is lost is ended and another joins: it is the same object."""


class DiesInEvaluation(ThreadRuntime):
    """Its workers die whenever they evaluate, or `once`, in the last evaluation; others `start` at once, or never."""

    def __init__(self, job: PreparedJob, start: bool, once: bool) -> None:
        plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secrets.token_bytes(32))
        self._ray_ends: Future[str] = Future()
        super().__init__(plan, job.metrics, self._ray_ends)
        self._start = start
        self._once = once
        self._asked = 0
        self._evaluating = False

    @property
    def recovers(self) -> bool:
        """The threads of a lease do not outlast each other."""
        return self._evaluating

    def evaluate(self, split: str, *replace: Callable[[], None]) -> Any:
        self._evaluating = split == "test" or not self._once
        return super().evaluate(split, *replace)

    def submit(self, asked: Call[T]) -> Future[T]:
        answer: Future[Any] = Future()
        if self._evaluating and asked.method in OF_ANOTHER:
            answer.set_result(OF_ANOTHER[asked.method])
            return answer
        if asked.method != "evaluate" or not self._evaluating or (self._once and self._asked):
            return super().submit(asked)
        self._asked += 1
        assert self._asked < 100
        answer.set_exception(ProcessDied(f"{asked.peer} died"))
        return answer

    def start_again(self, peer: Peer) -> Future[Any]:
        ready: Future[Any] = Future()
        if self._start:
            ready.set_result({})
        return ready

    def lose_ray(self) -> None:
        self._ray_ends.set_result("Ray's GCS was killed")


Opened = list[DiesInEvaluation]
Dying = Callable[..., Opened]


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Dying:
    """From now on jobs have such workers; the list gets their runtimes."""

    def dying(start: bool, once: bool = False) -> Opened:
        opened: Opened = []

        def open_runtime(job: PreparedJob, *_: object) -> ThreadRuntime:
            opened.append(DiesInEvaluation(job, start, once))
            return opened[-1]

        monkeypatch.setattr(job_module, "open_runtime", open_runtime)
        return opened

    return dying


def test_workers_that_die_in_each_evaluation_end_the_run(make_job: JobMaker, dying: Dying) -> None:
    dying(True)
    notes = Notes()
    with pytest.raises(TrainingFailed, match=r"failure.max_failures \(4\).* Ended after step 8: checkpoint saved"):
        run_job(make_job(scaling={"num_workers": 1}, failure={"max_failures": 4}), observer=notes)
    assert len([line for line in notes.lines if "worker 0 was lost" in line]) == 4


def test_a_signal_ends_a_run_that_waits_for_workers(
    make_job: JobMaker, dying: Dying, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopWhenLost(StopAfter):
        def warn(self, text: str) -> None:
            self.stop()

    dying(False)
    started = time.monotonic()
    with pytest.raises(Interrupted, match=r"SIGINT after step 8: checkpoint saved; go on with "):
        run_job(make_job(), observer=StopWhenLost(0, monkeypatch))
    assert time.monotonic() - started < 30


def test_so_does_the_end_of_ray(make_job: JobMaker, dying: Dying) -> None:
    opened = dying(False)

    class RayEnds(Notes):
        def warn(self, text: str) -> None:
            if not opened[0].trouble:
                opened[0].lose_ray()

    started = time.monotonic()
    with pytest.raises(RayLost, match=r"GCS was killed. Ended after step 8: checkpoint saved; go on with "):
        run_job(make_job(), observer=RayEnds())
    assert time.monotonic() - started < 30


def test_one_that_is_lost_in_the_last_evaluation_is_told_of_and_counts(make_job: JobMaker, dying: Dying) -> None:
    dying(True, once=True)
    notes = Notes()
    result = run_job(make_job(scaling={"num_workers": 1}), observer=notes)
    assert [(one.fault.kind, one.remedy) for one in result.recoveries] == [("lost", "replace")]
    assert len([line for line in notes.lines if "worker 0 was lost" in line]) == 1
    assert "test_loss" in result.metrics
