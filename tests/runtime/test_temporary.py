"""The folder for Ray's sockets: another where the path of the temporary one is too long."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from dist_bp.errors import CapacityError
from dist_bp.runtime import temporary
from dist_bp.runtime.temporary import LONGEST, check_temporary_folder, temporary_folder
from dist_bp.runtime.warden import Warden


def test_a_folder_that_is_short_enough_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert temporary_folder() == Path("/tmp")
    assert check_temporary_folder() == []


def test_a_long_one_is_not_and_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(str(tmp_path)) > LONGEST
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(temporary, "ELSEWHERE", ("/nowhere", "/dev/shm"))
    assert temporary_folder() == Path("/dev/shm")
    (note,) = check_temporary_folder()
    assert note == (
        f"Ray works in /dev/shm, because {tmp_path} is too long for the path of a socket: "
        "set TMPDIR to a folder of at most 22 letters"
    )
    with Warden() as warden:
        folder = warden.folder()
        assert folder.parent == Path("/dev/shm")
    assert not folder.exists()


def test_where_there_is_none_nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(temporary, "ELSEWHERE", ())
    with pytest.raises(CapacityError, match="is too long for the path of Ray's sockets: set TMPDIR"):
        temporary_folder()


def test_the_longest_path_fits() -> None:
    assert len(temporary.BELOW) + LONGEST == 107


def test_files_of_libraries_lie_with_the_warden_while_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    with Warden() as first, Warden() as second, ExitStack() as stack:
        stack.enter_context(first.temporary_files())
        outer = Path(tempfile.gettempdir())
        assert outer.stat().st_mode & 0o777 == 0o700
        with second.temporary_files():
            inner = Path(tempfile.mkdtemp()).parent
            assert temporary_folder() == Path("/tmp") == inner.parent
            stack.close()
            assert tempfile.gettempdir() == str(inner) != str(outer)
    assert tempfile.gettempdir() == "/tmp"
    assert not outer.exists()
    assert not inner.exists()
