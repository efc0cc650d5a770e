"""What a writer sends to a store: all of it once, in order, without ever keeping waiting whoever logs."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dist_bp.track.writer import Rejected
from tests.track.stores import FakeStore, eventually
from tests.track.writers import Start, close, path, start, store

__all__ = ["path", "start", "store"]


def test_everything_is_written_once_and_in_order(start: Start, store: FakeStore, path: Path) -> None:
    writer = start()
    before = time.time_ns() // 1_000_000
    for step in range(2500):
        writer.log(step, {"a": step, "b": -step})
    left = close(writer)
    assert [(p.name, p.value, p.step) for p in store.points] == [
        row for step in range(2500) for row in (("a", step, step), ("b", -step, step))
    ]
    assert all(before <= p.timestamp <= time.time_ns() // 1_000_000 for p in store.points)
    assert left.lines() == []
    assert not path.exists()


def test_collects_points_into_batches(start: Start, store: FakeStore) -> None:
    writer = start(interval=60, batch_size=100)
    for step in range(250):
        writer.log(step, {"a": 1.0})
    close(writer)
    assert [len(batch) for batch in store.batches] == [100, 100, 50]


def test_a_trickle_is_written_about_once_an_interval(start: Start, store: FakeStore) -> None:
    writer = start(interval=0.2)
    end = time.monotonic() + 0.7
    step = 0
    while time.monotonic() < end:
        writer.log(step, {"a": 1.0})
        step += 1
        time.sleep(0.002)
    assert 1 <= len(store.batches) <= 4


def test_values_are_taken_when_logged(start: Start, store: FakeStore) -> None:
    writer = start(interval=60)
    value = np.array(1.5, dtype=np.float32)
    values = {"a": value}
    writer.log(1, values)  # type: ignore[arg-type]
    value[...] = 7
    values["b"] = value
    close(writer)
    assert [(p.name, p.value) for p in store.points] == [("a", 1.5)]
    assert type(store.points[0].value) is float


def test_log_takes_microseconds_while_the_store_hangs(start: Start, store: FakeStore) -> None:
    writer = start()
    store.hang()
    begin = time.thread_time()  # of this thread's own work: others may keep it from the processor
    for step in range(20_000):
        writer.log(step, {"loss": 0.1, "learning_rate": 0.2, "gradient_norm": 0.3})
    assert (time.thread_time() - begin) / 20_000 < 100e-6
    assert not store.points, "it has not waited for the store"
    store.resume()
    close(writer)
    assert len(store.points) == 60_000


def test_a_store_that_recovers_gets_everything_in_order(start: Start, store: FakeStore) -> None:
    writer = start(batch_size=7)
    store.fail = True
    for step in range(100):
        writer.log(step, {"a": 1.0})
    assert eventually(lambda: store.attempts >= 3)
    assert store.points == []
    store.fail = False
    for step in range(100, 200):
        writer.log(step, {"a": 1.0})
    left = close(writer)
    assert store.steps == list(range(200))
    assert left.lines() == []


@pytest.mark.parametrize(("patience", "stall"), [(0.01, 0.4), (0.4, 20.0)])
def test_close_stays_as_long_as_the_store_takes_batches(
    start: Start, store: FakeStore, patience: float, stall: float
) -> None:
    store.seconds = 0.05
    writer = start(batch_size=10)
    for step in range(100):
        writer.log(step, {"a": 1.0})
    begin = time.monotonic()
    assert writer.close(patience, stall).lines() == []
    assert time.monotonic() - begin > 0.4
    assert store.steps == list(range(100))


def test_tells_how_long_the_store_has_been_failing(start: Start, store: FakeStore) -> None:
    writer = start()
    assert writer.failing_seconds == 0
    store.fail = True
    writer.log(1, {"a": 1.0})
    assert eventually(lambda: writer.failing_seconds > 0.05)
    store.fail = False
    assert eventually(lambda: writer.failing_seconds == 0)


def test_what_the_store_rejects_does_not_hold_up_the_rest(start: Start, store: FakeStore) -> None:
    writer = start(interval=60, batch_size=10)
    store.reject_step = 15
    for step in range(40):
        writer.log(step, {"a": 1.0})
    left = close(writer)
    assert store.steps == [*range(10), *range(20, 40)]
    assert left.lines() == ["10 metric values are lost (bad name)"]


def test_a_value_that_is_no_number_is_lost_alone(start: Start, store: FakeStore) -> None:
    writer = start()
    writer.log(1, {"a": "much"})  # type: ignore[dict-item]
    writer.log(2, {"a": 1.0})
    left = close(writer)
    assert store.steps == [2]
    assert left.lost == 1


def test_tasks_run_in_order_after_the_points(start: Start, store: FakeStore) -> None:
    writer = start(interval=60)
    seen = []
    for step in range(1500):
        writer.log(step, {"a": 1.0})
    for name in "xyz":
        writer.submit(name, lambda name=name: seen.append((name, len(store.points))))  # type: ignore[misc]
    assert close(writer).lines() == []
    assert seen == [("x", 1500), ("y", 1500), ("z", 1500)]


def test_a_task_is_repeated_until_the_store_is_back(start: Start) -> None:
    answers = iter([ConnectionError("down"), ConnectionError("down"), None])
    done = threading.Event()

    def task() -> None:
        if error := next(answers):
            raise error
        done.set()

    writer = start()
    writer.submit("figure", task)
    assert done.wait(5)
    assert close(writer).lines() == []


def test_a_rejected_task_is_reported_and_the_next_one_runs(start: Start) -> None:
    done = []

    def bad() -> None:
        raise Rejected("no such file")

    writer = start()
    writer.submit("figure loss.png", bad)
    writer.submit("text", lambda: done.append(1))
    assert close(writer).lines() == ["not recorded: figure loss.png (no such file)"]
    assert done == [1]


def test_tasks_that_a_dead_store_did_not_take_are_named(start: Start) -> None:
    def task() -> None:
        raise ConnectionError("store is down\nwith a long tale")

    writer = start()
    writer.submit("tags", task)
    writer.submit("status FINISHED", task)
    assert writer.close(0.1, 20.0).lines() == ["not recorded: tags, status FINISHED (store is down)"]


def test_log_after_close_does_nothing(start: Start, store: FakeStore, path: Path) -> None:
    writer = start()
    close(writer)
    writer.log(1, {"a": 1.0})
    time.sleep(0.05)
    assert store.points == []
    assert not path.exists()


def test_a_task_for_later_runs_once_when_it_is_due_or_at_the_end(start: Start) -> None:
    writer = start()
    done: list[str] = []
    begin = time.monotonic()
    writer.submit_later("soon", lambda: done.append("first"), 0.2)
    writer.submit_later("soon", lambda: done.append("second"), 60)
    writer.submit_later("never", lambda: done.append("at the end"), 60)
    assert eventually(lambda: bool(done))
    assert time.monotonic() - begin >= 0.2
    assert done == ["second"]
    close(writer)
    assert done == ["second", "at the end"]
