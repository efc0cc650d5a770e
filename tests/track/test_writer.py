import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dist_bp.track.spool import Spool
from dist_bp.track.writer import BackgroundWriter, Rejected, Unwritten
from tests.track.stores import FakeStore, eventually

Start = Callable[..., BackgroundWriter]


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "run.jsonl"


@pytest.fixture
def start(store: FakeStore, path: Path) -> Iterator[Start]:
    writers = []

    def make(**options: Any) -> BackgroundWriter:
        quick: dict[str, Any] = {"interval": 0.01, "pauses": (0.005, 0.02)}
        writer = BackgroundWriter(store.write, Spool(path), **(quick | options))
        writers.append(writer)
        return writer

    yield make
    store.resume()
    for writer in writers:
        writer.close(0.1, 1.0)


def close(writer: BackgroundWriter) -> Unwritten:
    return writer.close(patience=5.0, stall=20.0)


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


def test_a_full_queue_goes_through_the_spool(start: Start, store: FakeStore, path: Path) -> None:
    writer = start(capacity=500, batch_size=100)
    store.fail = True
    for step in range(10_000):
        writer.log(step, {"a": 1.0})
    assert path.exists()
    store.fail = False
    left = close(writer)
    assert store.steps == list(range(10_000))
    assert left.lines() == []
    assert not path.exists()


def test_spilling_does_not_wait_for_a_store_that_hangs(start: Start, store: FakeStore) -> None:
    writer = start(capacity=500, batch_size=100)
    writer.log(0, {"a": 1.0})
    store.hang()
    assert eventually(lambda: store.attempts > 0)
    begin = time.monotonic()
    for step in range(1, 20_000):
        writer.log(step, {"a": 1.0})
    assert time.monotonic() - begin < 15
    store.resume()
    close(writer)
    assert store.steps == list(range(20_000))


def test_points_beyond_the_spool_are_counted_as_lost(store: FakeStore, path: Path) -> None:
    store.fail = True
    writer = BackgroundWriter(store.write, Spool(path, max_bytes=5000), capacity=100, pauses=(0.01, 0.01))
    for step in range(5000):
        writer.log(step, {"a": 1.0})
    left = writer.close(0.05, 20.0)
    assert path.stat().st_size <= 5000
    assert left.spooled + left.lost == 5000
    assert left.lost > 0
    assert any("are lost" in line for line in left.lines())


@pytest.mark.parametrize("capacity", [50, 100_000])
def test_a_dead_store_leaves_the_spool_and_the_next_run_replays_it(
    start: Start, store: FakeStore, path: Path, capacity: int
) -> None:
    store.fail = True
    first = start(capacity=capacity, batch_size=10)
    for step in range(1000):
        first.log(step, {"a": 0.5})
    assert eventually(lambda: store.attempts >= 2)
    begin = time.monotonic()
    left = first.close(0.1, 20.0)
    assert time.monotonic() - begin < 10
    assert left.spooled == 1000
    [line] = left.lines()
    assert "1000 metric values wait in" in line
    assert str(path) in line
    assert "store is down" in line

    store.fail = False
    second = start()
    for step in range(1000, 1100):
        second.log(step, {"a": 0.5})
    assert close(second).lines() == []
    assert store.steps == list(range(1100))
    assert not path.exists()


def test_close_gives_up_on_a_store_that_hangs(start: Start, store: FakeStore, path: Path) -> None:
    writer = start(batch_size=10)
    store.hang()
    for step in range(100):
        writer.log(step, {"a": 1.0})
    assert eventually(lambda: store.attempts == 1)
    begin = time.monotonic()
    left = writer.close(20.0, 0.2)
    assert 0.15 < time.monotonic() - begin < 10
    assert [point.step for point in Spool(path)] == list(range(100))
    store.resume()
    assert eventually(lambda: len(store.batches) == 1)
    time.sleep(0.05)
    assert len(Spool(path)) == left.spooled == 100


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


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bursts=st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=12),
    capacity=st.integers(1, 100),
    batch_size=st.integers(1, 20),
    dead_at_the_end=st.booleans(),
)
def test_nothing_is_lost_or_written_twice(
    tmp_path_factory: pytest.TempPathFactory,
    bursts: list[tuple[int, bool]],
    capacity: int,
    batch_size: int,
    dead_at_the_end: bool,
) -> None:
    store = FakeStore()
    path = tmp_path_factory.mktemp("writer") / "run.jsonl"
    options: dict[str, Any] = {"interval": 0.001, "pauses": (0.001, 0.002), "batch_size": batch_size}
    writer = BackgroundWriter(store.write, Spool(path), capacity=capacity, **options)
    step = 0
    for count, failing in bursts:
        store.fail = failing
        for _ in range(count):
            writer.log(step, {"a": 1.0})
            step += 1
        time.sleep(0.002)
    store.fail = dead_at_the_end
    left = writer.close(0.02 if dead_at_the_end else 5.0, 20.0)
    assert [*store.steps, *(point.step for point in Spool(path))] == list(range(step))
    assert left.spooled == step - len(store.steps)
    assert left.lost == 0


def test_kept_points_are_on_disk_and_written_once(start: Start, store: FakeStore, path: Path) -> None:
    writer = start(batch_size=2)
    store.hang()
    for step in range(5):
        writer.log(step, {"a": 1.0})
    assert eventually(lambda: store.attempts == 1)
    writer.log(5, {"a": 1.0})
    writer.keep()
    assert [point.step for point in Spool(path)] == list(range(6))
    writer.log(6, {"a": 1.0})
    store.resume()
    assert close(writer).lines() == []
    assert store.steps == list(range(7))
    assert not path.exists()


def test_points_that_cannot_be_kept_wait_in_memory(start: Start, store: FakeStore, tmp_path: Path, path: Path) -> None:
    (tmp_path / "spool").touch()  # where its folder would be
    writer = start(interval=60)
    for step in range(10):
        writer.log(step, {"a": 1.0})
    writer.keep()
    assert close(writer).lines() == []
    assert store.steps == list(range(10))


def test_what_does_not_fit_into_the_spool_waits_in_memory(store: FakeStore, path: Path) -> None:
    writer = BackgroundWriter(store.write, Spool(path, max_bytes=200), interval=60)
    for step in range(10):
        writer.log(step, {"a": 1.0})
    writer.keep()
    assert 0 < len(Spool(path)) < 10
    assert close(writer).lines() == []
    assert store.steps == list(range(10))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bursts=st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.booleans()), min_size=1, max_size=12),
    capacity=st.integers(1, 100),
    batch_size=st.integers(1, 20),
)
def test_what_was_kept_is_in_the_store_or_on_the_disk_at_any_time(
    tmp_path_factory: pytest.TempPathFactory,
    bursts: list[tuple[int, bool, bool]],
    capacity: int,
    batch_size: int,
) -> None:
    store = FakeStore()
    path = tmp_path_factory.mktemp("writer") / "run.jsonl"
    options: dict[str, Any] = {"interval": 0.0005, "pauses": (0.0005, 0.001), "batch_size": batch_size}
    writer = BackgroundWriter(store.write, Spool(path), capacity=capacity, **options)
    step = kept = 0
    for count, failing, keeps in bursts:
        store.fail = failing
        for _ in range(count):
            writer.log(step, {"a": 1.0})
            step += 1
        if keeps:
            writer.keep()
            kept = step
        time.sleep(0.001)
        found = [
            *(point.step for point in Spool(path)),
            *store.steps,
        ]  # in this order: as they go from one to the other
        assert set(range(kept)) <= set(found)
    store.fail = False
    assert close(writer).lines() == []
    assert store.steps == list(range(step))


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
