"""What a sweep or a signal asks of a job holds though processes are lost meanwhile."""

import signal
import time
from threading import Event, Timer
from typing import Any

import pytest

from dist_bp.errors import Interrupted
from dist_bp.ps.keeper import Keeper
from dist_bp.runtime import threads
from dist_bp.runtime.failures import ProcessDied
from dist_bp.runtime.pool import Pool
from dist_bp.sweep.session import Epoch, Session
from dist_bp.track.drawing import Drawing
from dist_bp.train.job import Lent, run_job
from dist_bp.train.observer import Observer
from tests.conftest import JobMaker
from tests.train.looking import Steered, StopAfter
from tests.train.unsteady import DIED, Open, Unsteady, job_of

pytestmark = pytest.mark.usefixtures("database")


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
    make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Jobs of tests before had the BLAS limited by the main thread, which then takes no limit of the session's.
    monkeypatch.setattr(threads, "limit_threads", lambda count: None)
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


@pytest.mark.parametrize(
    ("loses", "told"),
    [((), "SIGINT before training began"), ((("train", 1),), "SIGINT after step 0: checkpoint saved; go on with ")],
    ids=["started", "formed anew"],
)
def test_a_signal_ends_the_wait_for_processes_that_hang(
    loses: tuple[tuple[str, int], ...], told: str, make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer, closed, begin, close = StopAfter(9, monkeypatch), Event(), Keeper.listen, Keeper.close
    begun: list[float] = []

    def listen(keeper: Keeper) -> bytes:
        begun.append(time.monotonic())
        if len(begun) > len(loses):
            Timer(0.3, observer.stop).start()
            closed.wait(60)
        return begin(keeper)

    def closing(keeper: Keeper) -> None:
        if len(begun) > len(loses):
            closed.set()
            assert time.monotonic() - begun[-1] < 10
        close(keeper)

    monkeypatch.setattr(Keeper, "listen", listen)
    monkeypatch.setattr(Keeper, "close", closing)
    lose(*loses)
    with pytest.raises(Interrupted, match=f"^{told}"):
        run_job(job_of(make_job, ray={"start_seconds": 15}), observer=observer)


@pytest.mark.parametrize(
    ("epoch", "told"),
    [(1, r"interrupted again: stopped at once$"), (2, r".* at once; the last checkpoint is of step 8; go on with ")],
)
def test_a_second_signal_tells_of_the_last_checkpoint_only_where_there_is_one(
    epoch: int, told: str, make_job: JobMaker, lose: Open
) -> None:
    class Impatient(Observer):
        def epoch(self, number: int, values: dict[str, float]) -> None:
            if number == epoch:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)

    lose()
    with pytest.raises(Interrupted, match=f"^{told}"):
        run_job(job_of(make_job), observer=Impatient())
