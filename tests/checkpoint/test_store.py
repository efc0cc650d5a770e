import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dist_bp.checkpoint import CheckpointStore
from dist_bp.checkpoint.format import cannot_write
from dist_bp.errors import CheckpointError
from dist_bp.types import Direction
from tests.checkpoint.samples import assert_equal, sample

Saved = list[tuple[int, float | None]]


def kept(store: CheckpointStore) -> list[int]:
    return [int(path.name[5:]) for path in store.paths()]


@pytest.mark.parametrize(
    ("keep", "mode", "saved", "expected"),
    [
        (0, "min", [(1, 0.1), (2, 0.2), (3, 0.3)], [3]),
        (1, "min", [(1, 0.1), (2, 0.2), (3, 0.3)], [1, 3]),
        (1, "max", [(1, 0.1), (2, 0.2), (3, 0.3)], [2, 3]),
        (2, "min", [(1, 0.3), (2, 0.1), (3, 0.2), (4, 0.4)], [2, 3, 4]),
        (2, "min", [(1, None), (2, None), (3, None), (4, None)], [2, 3, 4]),
        (2, "min", [(1, 0.5), (2, None), (3, None), (4, None)], [1, 3, 4]),
        (1, "min", [(1, 0.5), (2, 0.5), (3, 0.5)], [1, 3]),
        (1, "min", [(1, float("nan")), (2, 0.9), (3, 1.0)], [2, 3]),
        (1, "max", [(1, float("inf")), (2, 0.9), (3, 1.0)], [2, 3]),
        (9, "min", [(1, 0.5), (2, 0.4)], [1, 2]),
    ],
)
def test_pruning(tmp_path: Path, keep: int, mode: Direction, saved: Saved, expected: list[int]) -> None:
    store = CheckpointStore(tmp_path, keep=keep, mode=mode)
    for step, value in saved:
        store.save(sample(step), value)
    assert kept(store) == expected


@settings(max_examples=20, deadline=None)
@given(
    values=st.lists(st.none() | st.integers(0, 4).map(float), min_size=1, max_size=8),
    keep=st.integers(0, 3),
    mode=st.sampled_from(["min", "max"]),
)
def test_the_newest_and_the_best_ever_are_kept(
    tmp_path_factory: pytest.TempPathFactory, values: list[float | None], keep: int, mode: Direction
) -> None:
    store = CheckpointStore(tmp_path_factory.mktemp("run"), keep=keep, mode=mode)
    for step, value in enumerate(values, 1):
        store.save(sample(step), value)
    assert len(values) in kept(store)
    assert len(kept(store)) == min(len(values), keep + 1)
    latest, best = store.latest(), store.best()
    assert latest is not None
    assert latest.checkpoint.step == len(values)
    known = [value for value in values if value is not None]
    if known and keep:
        wanted = min(known) if mode == "min" else max(known)
        assert best is not None
        assert best.checkpoint.step == values.index(wanted) + 1


def test_an_empty_store_has_neither_latest_nor_best(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "nothing")
    assert store.latest() is None
    assert store.best() is None


def test_damaged_ones_are_passed_over_with_a_note(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    first, second, third = (store.save(sample(step), float(-step)) for step in (1, 2, 3))
    (third / "model.safetensors").write_bytes(b"")
    (second / "manifest.json").write_text("{")
    for found in (store.latest(), store.best()):
        assert found is not None
        assert found.path == first
        notes = "\n".join(found.passed_over)
        assert str(third / "model.safetensors") in notes
        assert str(second / "manifest.json") in notes


def test_nothing_intact_is_an_error(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    (store.save(sample()) / "config.yaml").unlink()
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* is intact"):
        store.latest()


def test_pruning_leaves_what_it_cannot_read(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=0)
    (tmp_path / "step-000000001").mkdir()
    (tmp_path / "notes").mkdir()
    store.save(sample(2))
    store.save(sample(3))
    assert sorted(os.listdir(tmp_path)) == ["notes", "step-000000001", "step-000000003"]


def test_a_step_saved_again_replaces_the_older_one(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    (store.save(sample(5)) / "model.safetensors").write_bytes(b"damaged")
    again = store.save(sample(5))
    assert os.listdir(tmp_path) == [again.name] == ["step-000000005-1"]
    assert [store.save(sample(5)).name for _ in range(2)] == ["step-000000005-2", "step-000000005-3"]
    found = store.latest()
    assert found is not None
    assert_equal(found.checkpoint, sample(5))


def test_after_going_back_the_newest_is_the_one_written_last(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=0)
    for step in (1, 2, 9):
        store.save(sample(step))
    store.save(sample(3))
    found = store.latest()
    assert found is not None
    assert found.checkpoint.step == 3
    assert kept(store) == [3]


def test_the_folder_can_be_moved(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "here")
    store.save(sample())
    for path in store.paths()[0].iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()
    (tmp_path / "here").rename(tmp_path / "there")
    found = CheckpointStore(tmp_path / "there").latest()
    assert found is not None
    assert_equal(found.checkpoint, sample())


def test_left_overs_go_at_the_next_save_not_at_load(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(sample(1))
    left_over = tmp_path / ".aside-step-000000002"
    left_over.mkdir()
    (left_over / "model.safetensors").write_bytes(b"half")
    found = store.latest()
    assert found is not None
    assert found.checkpoint.step == 1
    assert left_over.exists()
    store.save(sample(2))
    assert not left_over.exists()
    assert kept(store) == [1, 2]


KILLED = """
import os, sys
from pathlib import Path
from dist_bp.checkpoint import CheckpointStore
from tests.checkpoint.samples import assert_equal, sample

point, step = None, 2
def hook(event, arguments):
    global point
    if point is not None and event in {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod"}:
        point -= 1
        if point < 0:
            os._exit(9)
sys.addaudithook(hook)
for number in range(1000):
    store = CheckpointStore(Path(sys.argv[1]) / str(number), keep=0)
    store.save(sample(1))
    child = os.fork()
    if child == 0:
        point = number
        store.save(sample(2))
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found = store.latest()
    assert not found.passed_over, found
    assert_equal(found.checkpoint, sample(found.checkpoint.step))
    assert_equal(CheckpointStore.load(store, store.save(sample(3))), sample(3))
    assert os.listdir(store.directory) == ["step-000000003"]
    if killed == 0:
        print(number)
        break
"""


def test_a_writer_killed_at_any_point_leaves_the_old_or_the_new_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 15  # so many points there were


def test_two_readers_beside_a_writer_see_only_whole_checkpoints(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=1)
    store.save(sample(1), 1.0)
    stop, failures, steps = threading.Event(), [], []

    def read() -> None:
        try:
            while not stop.is_set():
                for found in (store.latest(), store.best()):
                    assert found is not None
                    assert not found.passed_over
                    assert_equal(found.checkpoint, sample(found.checkpoint.step))
                    steps.append(found.checkpoint.step)
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for step in range(2, 40):
        store.save(sample(step), 1 / step)
    stop.set()
    for reader in readers:
        reader.join()
    assert not failures, failures
    assert len(set(steps)) > 3


def test_unwritable_and_full_places_are_refused_early(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        told = rf"to {directory}: {tmp_path}/file is no folder: move it away, or set checkpoint\.directory"
        with pytest.raises(CheckpointError, match=told):
            CheckpointStore(directory).check_writable(1)
        with pytest.raises(CheckpointError, match=told):
            CheckpointStore(directory).save(sample())
    store = CheckpointStore(tmp_path / "run")
    store.check_writable(1000)
    assert os.listdir(store.directory) == []
    with pytest.raises(CheckpointError, match="MB free, the checkpoints need"):
        store.check_writable(10**18)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.ENOSPC, "No space left on device: free space there"),
        (errno.EACCES, "Permission denied: let it be written"),
        (errno.EROFS, "Read-only file system: let it be written"),
    ],
)
def test_the_remedy_is_that_of_what_is_wrong(code: int, told: str, tmp_path: Path) -> None:
    expected = f"cannot write a checkpoint to {tmp_path}: {told}, or set checkpoint.directory to a folder that can be "
    assert str(cannot_write(tmp_path, OSError(code, os.strerror(code)))).startswith(expected)


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from dist_bp.checkpoint import CheckpointStore
from dist_bp.checkpoint.format import cannot_write
from dist_bp.errors import CheckpointError
from tests.checkpoint.samples import sample

store = CheckpointStore(Path(sys.argv[1]))
store.save(sample(1))
for name in ("parameters", "config"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        store.save(sample(2, **{name: {"0": np.zeros(10_000)} if name == "parameters" else "x" * 40_000}))
    except CheckpointError as error:
        print(error)
assert [path.name for path in store.directory.iterdir()] == ["step-000000001"]
"""


def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cannot write a checkpoint to") == 2
    assert "File too large" in done.stdout
    found = CheckpointStore(tmp_path).latest()
    assert found is not None
    assert found.checkpoint.step == 1
