"""The epochs of a run lie in a file that grows: a checkpoint reads what it saw of it, and costs the same to write."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from dist_bp.checkpoint import CheckpointStore, load
from dist_bp.errors import CheckpointError
from tests.checkpoint.samples import sample

HISTORY = "history.jsonl"


def rows(count: int) -> tuple[dict[str, float], ...]:
    return tuple({"epoch": epoch, "step": 8 * epoch, "val_loss": 1 / epoch} for epoch in range(1, count + 1))


def test_each_checkpoint_has_the_rows_that_it_saw(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=9)
    saved = {count: store.save(sample(count, history=rows(count)), 0.5) for count in (1, 2, 5, 7)}
    again = CheckpointStore(tmp_path, keep=9)  # of a process that goes on from the second
    saved[3] = again.save(sample(9, history=(*rows(2), {"epoch": 3, "val_loss": float("nan")})), 0.5)
    for count, path in saved.items():
        assert [row["epoch"] for row in load(path).history] == list(range(1, count + 1))
    assert load(saved[7]).history == rows(7)


def test_what_a_crash_left_behind_the_rows_does_not_matter(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    path = store.save(sample(1, history=rows(2)))
    with (path / HISTORY).open("ab") as file:
        file.write(b'{"epoch": 3, "val_')
    assert load(path).history == rows(2)
    assert load(store.save(sample(2, history=rows(4)))).history == rows(4)
    assert load(store.save(sample(3, history=()))).history == ()
    assert load(store.save(sample(4, history=rows(1)))).history == rows(1)


def test_a_torn_or_changed_history_is_damage_that_is_named(tmp_path: Path) -> None:
    path = CheckpointStore(tmp_path).save(sample(1, history=rows(3)))
    content = (path / HISTORY).read_bytes()
    for damaged, message in ((content[:-1], "is truncated"), (b"[" + content[1:], "is damaged")):
        (path / HISTORY).write_bytes(damaged)
        with pytest.raises(CheckpointError, match=f"{HISTORY} {message}"):
            load(path)
    (path / HISTORY).unlink()
    with pytest.raises(CheckpointError, match=f"{HISTORY} is missing"):
        load(path)
    assert load(path, for_resuming=False).history == ()


def test_a_folder_of_a_checkpoint_can_be_copied_alone(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "run", keep=9)
    first = store.save(sample(1, history=rows(2)))
    store.save(sample(2, history=rows(3)))
    assert load(Path(shutil.copytree(first, tmp_path / "copy"))).history == rows(2)


@pytest.mark.parametrize("links", [True, False])
def test_a_checkpoint_of_a_late_epoch_is_as_small_as_one_of_an_early_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    store = CheckpointStore(tmp_path, keep=9)
    sizes = {}
    for count in (1, 2, 1999, 2000):
        path = store.save(sample(count, history=rows(count)))
        assert load(path).history == rows(count)
        sizes[count] = (path / "manifest.json").stat().st_size
    assert sizes[2000] < sizes[1] + 50
    newest = [path / HISTORY for path in store.paths()]
    assert len({path.stat().st_ino for path in newest}) == (1 if links else 4)


def refuse(*_: Any) -> None:
    raise PermissionError(1, "no links here")
