"""A call into Ray has a deadline, and ends when something is known to be wrong with Ray."""

import threading
import time
from concurrent.futures import Future

import pytest

from dist_bp.runtime.calls import Caller, RayLost


def test_results_and_errors_arrive_and_the_thread_stays() -> None:
    caller = Caller()
    threads = {caller.call("it was asked", threading.get_ident, 5, Future()) for _ in range(3)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    with pytest.raises(ZeroDivisionError):
        caller.call("it was asked", lambda: 1 // 0, 5, Future())
    assert not caller.busy


def test_what_does_not_answer_is_told_with_what_went_on() -> None:
    caller, release = Caller(), threading.Event()
    with pytest.raises(RayLost, match="Ray did not answer for 1 s while its nodes were asked for"):
        caller.call("its nodes were asked for", release.wait, 0.6, Future())
    assert caller.busy
    release.set()


def test_trouble_ends_the_wait_but_not_an_answer_that_is_there() -> None:
    caller, release = Caller(), threading.Event()
    trouble: Future[str] = Future()
    threading.Timer(0.1, trouble.set_result, ["the raylet is gone"]).start()
    started = time.monotonic()
    with pytest.raises(RayLost, match="the raylet is gone"):
        caller.call("it started", release.wait, 60, trouble)
    assert time.monotonic() - started < 10
    release.set()
    assert Caller().call("it was asked", lambda: 7, 5, trouble) == 7
