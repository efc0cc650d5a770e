import shutil
from pathlib import Path

import pytest

from dist_bp.checkpoint import (
    CheckpointStore,
    find_runs,
    forget_empty,
    name_run,
    open_store,
    resolve,
    resolve_folder,
    run_names,
)
from dist_bp.errors import CheckpointError
from dist_bp.types import Direction
from tests.checkpoint.samples import sample


def save(root: Path, run: str, step: int, job: str = "digits", mode: Direction = "min", value: float = 0.0) -> Path:
    store = CheckpointStore(root / run / "checkpoints", mode=mode)
    return store.save(sample(step, job=job, run_id=run), value)


def test_auto_is_the_latest_of_the_newest_run_of_the_job(tmp_path: Path) -> None:
    save(tmp_path, "b", 7)
    save(tmp_path, "a", 3)
    wanted = save(tmp_path, "a", 4)
    save(tmp_path, "c", 9, job="iris")
    (tmp_path / "d" / "checkpoints").mkdir(parents=True)
    assert [run.run_id for run in find_runs(tmp_path)] == ["c", "a", "b"]
    found = resolve("auto", tmp_path, "digits")
    assert found is not None
    assert found.path == wanted
    assert resolve("auto", tmp_path, "wine") is None
    assert resolve("auto", tmp_path / "nothing", "digits") is None


def test_auto_does_not_slip_to_an_older_run(tmp_path: Path) -> None:
    save(tmp_path, "a", 1)
    (save(tmp_path, "b", 1) / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="intact"):
        resolve("auto", tmp_path, "digits")


def test_a_run_id_a_run_folder_and_a_checkpoint_resolve(tmp_path: Path) -> None:
    first, last = save(tmp_path, "a", 1), save(tmp_path, "a", 2)
    for name in ("a", str(tmp_path / "a"), str(tmp_path / "a" / "checkpoints"), str(last)):
        found = resolve(name, tmp_path, "digits")
        assert found is not None
        assert found.path == last
    found = resolve(str(first), tmp_path, "digits")
    assert found is not None
    assert found.checkpoint.step == 1


def test_damage_is_noted_or_refused_when_named_directly(tmp_path: Path) -> None:
    first, last = save(tmp_path, "a", 1), save(tmp_path, "a", 2)
    (last / "manifest.json").unlink()
    found = resolve("a", tmp_path, "digits")
    assert found is not None
    assert found.path == first
    assert "manifest.json is missing" in found.passed_over[0]
    with pytest.raises(CheckpointError) as caught:
        resolve(str(last), tmp_path, "digits")
    assert str(first) in caught.value.problems[-1]


def test_an_unknown_name_gets_the_likely_spelling(tmp_path: Path) -> None:
    save(tmp_path, "digits-20250101", 1)
    with pytest.raises(CheckpointError, match=r"did you mean 'digits-20250101'\?"):
        resolve("digits-20250110", tmp_path, "digits")
    with pytest.raises(CheckpointError, match="there are no runs in"):
        resolve("x", tmp_path / "empty", "digits")
    (tmp_path / "bare").mkdir()
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        resolve("bare", tmp_path, "digits")


def test_a_run_is_named_by_the_beginning_of_its_id_or_by_its_name(tmp_path: Path) -> None:
    for run in ("abc1", "abd2"):
        save(tmp_path, run, 1)
        name_run(tmp_path, run, "digits" if run == "abc1" else "digits-2")
    assert name_run(tmp_path, "abd2", "digits") == "abc1"  # the last one's, and that is told
    assert name_run(tmp_path, "abd2", "digits") is None
    assert name_run(tmp_path, "abd2", "abc1") is None
    (tmp_path / "about").mkdir()
    for name, run in {"abc": "abc1", "abc1": "abc1", "abd2": "abd2", "digits": "abd2", "digits-2": "abd2"}.items():
        assert resolve_folder(name, tmp_path) == tmp_path / run
    with pytest.raises(CheckpointError, match="'ab' is more than one run: abc1, abd2: give more of the id"):
        resolve_folder("ab", tmp_path)
    with pytest.raises(CheckpointError, match="did you mean 'digits-2'"):
        resolve_folder("digits-3", tmp_path)
    assert sorted(run.run_id for run in find_runs(tmp_path)) == ["abc1", "abd2"]


def test_a_run_without_a_name_leaves_the_link_that_is_their_folder(tmp_path: Path) -> None:
    (tmp_path / "runs-2026").mkdir()
    root = tmp_path / "runs"
    root.symlink_to("runs-2026")
    for name in ("", ".", "..", "/"):
        assert name_run(root, "abc1", name) is None
    assert root.readlink() == Path("runs-2026")
    assert run_names(root) == frozenset()


def test_a_run_that_was_moved_and_linked_is_found(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    last = save(root, "abc1", 2)
    name_run(root, "abc1", "digits")
    (root / "abc1").rename(tmp_path / "big")
    (root / "abc1").symlink_to(tmp_path / "big")
    assert [run.run_id for run in find_runs(root)] == ["abc1"]
    for name in ("auto", "abc", "abc1", "digits"):
        found = resolve(name, root, "digits")
        assert found is not None
        assert found.path == last
    assert not forget_empty(root, "abc1")


def test_checkpoints_of_another_format_are_not_called_damaged(tmp_path: Path) -> None:
    manifest = save(tmp_path, "a", 1) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": 2', '"version": 1'))
    with pytest.raises(CheckpointError) as caught:
        resolve("auto", tmp_path, "digits")
    assert (
        "has format version 1, this dist_bp reads version 2: use the dist_bp that wrote it" in caught.value.problems[0]
    )
    assert "damaged" not in str(caught.value)


def test_only_what_is_empty_is_forgotten(tmp_path: Path) -> None:
    save(tmp_path, "full", 1)
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    for run in ("full", "empty"):
        name_run(tmp_path, run, f"{run}-name")
    assert not forget_empty(tmp_path, "full")
    assert forget_empty(tmp_path, "empty")
    assert forget_empty(tmp_path, "never was")
    assert run_names(tmp_path) == {"full", "full-name"}


def test_a_moved_run_opens_with_its_own_mode(tmp_path: Path) -> None:
    for step, value in ((1, 0.9), (2, 0.7), (3, 0.8)):
        save(tmp_path / "runs", "a", step, mode="max", value=value)
    shutil.copytree(tmp_path / "runs" / "a", tmp_path / "copy")
    best = open_store(tmp_path / "copy").best()
    assert best is not None
    assert best.checkpoint.step == 1
