import threading
import time
from collections.abc import Mapping

from dist_bp.track.sampler import Sampler
from tests.track.stores import eventually


def test_samples_until_stopped_and_once_more() -> None:
    reads = iter(range(1000))
    seen: list[tuple[int, float]] = []

    def log(step: int, values: Mapping[str, float]) -> None:
        seen.append((step, values["x"]))

    sampler = Sampler(lambda: {"x": next(reads)}, log, interval=0.01, first_step=7)
    assert eventually(lambda: len(seen) >= 3)
    sampler.stop()
    count = len(seen)
    time.sleep(0.05)
    assert len(seen) == count
    assert seen == [(7 + i, 1 + i) for i in range(count)]  # the reading 0 is the one thrown away


def test_stops_at_once_with_a_last_sample() -> None:
    seen: list[int] = []
    reads: list[int] = []

    def read() -> dict[str, float]:
        reads.append(1)
        return {}

    sampler = Sampler(read, lambda step, _: seen.append(step), interval=60)
    assert eventually(lambda: len(reads) == 1)
    time.sleep(0.05)
    begin = time.monotonic()
    sampler.stop()
    assert time.monotonic() - begin < 5
    assert seen == [0]


def test_does_not_wait_for_a_reading_that_hangs() -> None:
    release = threading.Event()
    sampler = Sampler(lambda: {"x": float(release.wait(5))}, lambda *_: None, interval=0.01)
    begin = time.monotonic()
    sampler.stop(deadline=0.1)
    assert time.monotonic() - begin < 5
    release.set()


def test_an_error_ends_it_quietly() -> None:
    calls = []

    def read() -> dict[str, float]:
        calls.append(1)
        raise OSError("no such sensor")

    sampler = Sampler(read, lambda *_: None, interval=0.001)
    assert eventually(lambda: len(calls) == 1)
    time.sleep(0.03)
    sampler.stop()
    assert len(calls) == 1
