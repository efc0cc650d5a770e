"""Who has answered and who is lost, by what the others say."""

import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest

from dist_bp.ps.doorbell import SILENT, Peer, PeerLost
from dist_bp.ps.lease import Report
from dist_bp.runtime import survey as module
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.failures import ProcessDied
from dist_bp.runtime.survey import survey

ZERO, ONE, TWO = (Peer("worker", rank) for rank in range(3))
QUIET: Future[str] = Future()


def answered(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def failed(error: Exception) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def no_fence(peer: Peer) -> bool:
    raise AssertionError(f"{peer} needs no end")


def test_all_answer() -> None:
    report = Report()
    assert survey({ZERO: answered(report), ONE: answered([])}, no_fence, QUIET, 1, 60) == ({ZERO: report, ONE: []}, {})


def test_one_that_has_died_is_lost_and_the_others_answers_count() -> None:
    sees = Report(lost=PeerLost("worker 1", "died"))
    answers, lost = survey({ZERO: answered(sees), ONE: failed(ProcessDied("worker 1 died"))}, no_fence, QUIET, 5, 60)
    assert answers == {ZERO: sees}
    assert lost == {ONE: "its process ended or was killed"}


def test_all_may_have_died() -> None:
    dead = {peer: failed(ProcessDied(f"{peer} died")) for peer in (ZERO, ONE)}
    answers, lost = survey(dead, no_fence, QUIET, 5, 60)
    assert not answers
    assert lost.keys() == {ZERO, ONE}


def test_an_exception_that_others_took_for_a_death_is_the_cause() -> None:
    """Whoever fails closes its connections first, and its answer may take its time."""
    late: Future[Any] = Future()
    threading.Timer(1.0, late.set_exception, [ValueError("a layer fails")]).start()
    sees = Report(lost=PeerLost("worker 1", "died"))
    with pytest.raises(ValueError, match="a layer fails"):
        survey({ZERO: answered(sees), ONE: late}, no_fence, QUIET, 5, 60)


def test_word_of_a_death_may_be_late() -> None:
    late: Future[Any] = Future()
    threading.Timer(0.1, late.set_exception, [ProcessDied("worker 1 died")]).start()
    _, lost = survey({ZERO: answered(Report(lost=PeerLost("worker 1", "died"))), ONE: late}, no_fence, QUIET, 5, 60)
    assert lost == {ONE: "its process ended or was killed"}


def test_one_that_others_wait_for_in_vain_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORD_SECONDS", 0.05)
    ended: list[Peer] = []

    def fence(peer: Peer) -> bool:
        ended.append(peer)
        return True

    sees = Report(lost=PeerLost("worker 2", f"{SILENT} for 3 s"))
    answers, lost = survey({ZERO: answered(sees), ONE: answered(Report()), TWO: Future()}, fence, QUIET, 5, 60)
    assert answers.keys() == {ZERO, ONE}
    assert lost == {TWO: f"{SILENT} for 3 s"}
    assert ended == [TWO]


@pytest.mark.parametrize(("seconds", "silence", "others"), [(60, 0.1, 1), (0.1, 60, 0), (0.1, 60, 1)])
def test_one_that_nobody_waits_for_must_answer_too(
    seconds: float, silence: float, others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hang when all is done, or be the only one."""
    monkeypatch.setattr(module, "WORD_SECONDS", 0.05)
    asked = {ONE: Future[Any]()} | ({ZERO: answered(Report())} if others else {})
    answers, lost = survey(asked, lambda peer: True, QUIET, seconds, silence)
    assert len(answers) == others
    assert lost == {ONE: "did not answer for 0 s"}


def test_one_that_cannot_be_ended_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It might still write."""
    monkeypatch.setattr(module, "WORD_SECONDS", 0.05)
    sees = Report(lost=PeerLost("worker 1", f"{SILENT} for 3 s"))
    with pytest.raises(ProcessDied, match="worker 1 did not answer for 3 s"):
        survey({ZERO: answered(sees), ONE: Future()}, lambda peer: False, QUIET, 5, 60)


def test_what_a_process_raises_is_the_cause_and_nobody_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    sees = Report(lost=PeerLost("worker 1", "died"))
    with pytest.raises(ValueError, match="a layer fails") as caught:
        survey({ZERO: answered(sees), ONE: failed(ValueError("a layer fails"))}, no_fence, QUIET, 5, 60)
    assert caught.value.__notes__ == ["on worker 1"]


def test_a_keeper_that_has_died_ends_the_run() -> None:
    sees = Report(lost=PeerLost("keeper 0", "died"))
    with pytest.raises(PeerLost, match="keeper 0 died"):
        survey({ZERO: answered(sees), ONE: answered(sees)}, no_fence, QUIET, 5, 60)


def test_where_ray_is_lost_that_is_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.1)
    trouble: Future[str] = Future()
    trouble.set_result("Ray's raylet was killed")
    started = time.monotonic()
    with pytest.raises(RayLost, match="Ray's raylet was killed"):
        survey({ZERO: answered(Report()), ONE: Future()}, no_fence, trouble, 60, 60)
    assert time.monotonic() - started < 5
    with pytest.raises(RayLost, match="Ray's raylet was killed"):
        survey({ZERO: answered(Report()), ONE: failed(ProcessDied("worker 1 died"))}, no_fence, trouble, 60, 60)
    assert survey({ZERO: answered(1)}, no_fence, trouble, 60, 60) == ({ZERO: 1}, {})
