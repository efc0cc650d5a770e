"""Who has answered and who is lost, by what the others say."""

import re
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from dist_bp.ps.doorbell import SILENT, Peer, PeerLost
from dist_bp.ps.lease import Report
from dist_bp.runtime import survey as module
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.failures import ProcessDied
from dist_bp.runtime.survey import Progress, survey

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
    assert re.fullmatch(r"did not answer for 0\.[01]\d? s", lost[ONE])


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


def test_one_that_has_not_come_is_the_cause_and_not_the_keeper_that_has_waited_for_it() -> None:
    """As long as the others for the keeper."""
    waiting = failed(PeerLost("keeper 0", "made no introductions"))
    keeper = failed(PeerLost("worker 1", "did not connect within 30 s"))
    with pytest.raises(PeerLost, match="worker 1 did not connect"):
        survey({ZERO: waiting, Peer("keeper", 0): keeper}, no_fence, QUIET, 5, 60)


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


@pytest.mark.parametrize(
    ("looks", "pending", "behind"),
    [
        # moments, and the stages at them
        ([(0, (1, 1)), (2, (1, 1)), (3, (1, 1))], (ZERO, ONE), {ZERO, ONE}),  # all hang
        ([(0, (1, 1)), (2, (2, 1)), (4, (2, 1))], (ZERO, ONE), set()),  # one of them only since a while
        ([(0, (1, 1)), (2, (2, 1)), (5, (2, 1))], (ZERO, ONE), {ONE}),
        ([(0, (1, 1)), (2, (2, 1)), (4, (2, 2)), (6, (3, 2))], (ZERO, ONE), set()),  # they get on, slowly
        ([(0, (1, 1)), (3, (1, 1))], (ONE,), {ONE}),  # the other has answered
        ([(0, (1, 5)), (2, (4, 5)), (5, (4, 5))], (ONE,), {ONE}),  # however far it is
        ([(0, (5,)), (2, (6,)), (4, (7,)), (6, (8,))], (ZERO,), set()),  # alone, and it gets on
        ([(0, (5,)), (2, (6,)), (5, (6,))], (ZERO,), {ZERO}),  # alone, and it hangs
        ([(0, (5, 1)), (9, (5, 1))], (), set()),
    ],
)
def test_who_is_behind_where_nobody_gets_on(
    looks: Sequence[tuple[float, Sequence[int]]], pending: Sequence[Peer], behind: set[Peer]
) -> None:
    """For three seconds."""
    now: dict[Peer, int] = {}
    progress = Progress(lambda: now, 3.0)
    for moment, stages in looks:
        now.clear()
        now.update(zip((ZERO, ONE, TWO), stages, strict=False))
        found = progress.behind(pending, moment)
    assert found == behind


def test_one_alone_that_gets_on_may_take_its_time_and_one_that_does_not_is_ended() -> None:
    """Whatever the deadline of all."""
    late: Future[Any] = Future()
    threading.Timer(0.6, late.set_result, [1]).start()
    stages = (Progress(lambda: {ZERO: time.monotonic_ns()}, 0.2), Progress(lambda: {ZERO: 7}, 0.2))
    assert survey({ZERO: late}, no_fence, QUIET, 0.1, 0.1, stages[0]) == ({ZERO: 1}, {})
    started = time.monotonic()
    silent = {ZERO: "did not answer for 0.2 s"}
    assert survey({ZERO: Future()}, lambda _: True, QUIET, 60, 60, stages[1]) == ({}, silent)
    assert time.monotonic() - started < 5


def test_signs_of_life_within_a_stage_are_progress() -> None:
    signs = [0]
    progress = Progress(lambda: {ZERO: 5, ONE: 4}, 3.0, lambda: [*signs])
    for moment in range(0, 20, 2):
        assert not progress.behind((ZERO, ONE), moment)
        signs[0] += 1
    assert progress.behind((ZERO, ONE), 30) == set()
    assert progress.behind((ZERO, ONE), 33) == {ONE}


def test_one_that_waits_for_another_is_not_ended_with_it() -> None:
    """It goes on once the other is gone."""
    waits: Future[Any] = Future()

    def fence(peer: Peer) -> bool:
        assert peer == ONE
        waits.set_result(Report(lost=PeerLost("worker 1", "died")))
        return True

    progress = Progress(lambda: {ZERO: 2, ONE: 1}, 0.1)
    answers, lost = survey({ZERO: waits, ONE: Future()}, fence, QUIET, 60, 60, progress)
    assert answers.keys() == {ZERO}
    assert lost == {ONE: "did not answer for 0.1 s"}
