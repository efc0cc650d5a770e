"""What a writer keeps on the disk: what a store does not take, and what must outlast this process."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dist_bp.track.spool import Spool
from dist_bp.track.writer import BackgroundWriter
from tests.track.stores import FakeStore, eventually
from tests.track.writers import Start, close, path, start, store

__all__ = ["path", "start", "store"]


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


def test_what_is_spilled_is_preceded_on_the_disk_by_all_that_is_older(
    start: Start, store: FakeStore, path: Path
) -> None:
    """Whoever goes on after a kill takes for recorded what is older than the newest point there."""
    writer = start(capacity=20, batch_size=5)
    store.hang()
    for step in range(5):
        writer.log(step, {"a": 1.0})
    assert eventually(lambda: store.attempts == 1)
    for step in range(5, 40):
        writer.log(step, {"a": 1.0})
    spilled = [point.step for point in Spool(path)]
    assert len(spilled) > 5
    assert spilled == list(range(len(spilled)))
    store.resume()
    assert close(writer).lines() == []
    assert store.steps == list(range(40))
    assert not path.exists()


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
