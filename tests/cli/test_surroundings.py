"""Surroundings that lack something: a home, a folder for it, letters beyond ASCII."""

import io
import os
import sys
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from dist_bp.cli.main import main
from dist_bp.cli.runs_display import print_runs
from dist_bp.cli.surroundings import make_do
from dist_bp.images.opening import Unreadable, open_image
from dist_bp.track.runs import RunRecord
from tests.cli.test_train import CONFIG
from tests.commands import run_here


@pytest.fixture
def no_home(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that cannot be written, whoever tries."""
    monkeypatch.setenv("HOME", "/dev/null")
    for name in ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_home_caches_lie_here(no_home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    make_do()
    assert os.environ["MPLCONFIGDIR"] == str(Path(".dist_bp/matplotlib").absolute())
    monkeypatch.setenv("MPLCONFIGDIR", "own")
    make_do()
    assert os.environ["MPLCONFIGDIR"] == "own"


def test_a_home_that_is_there_is_used(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(workplace / "to" / "be" / "made"))
    make_do()
    assert "MPLCONFIGDIR" not in os.environ


@pytest.mark.filterwarnings("default")
def test_an_image_that_is_too_large_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    file = io.BytesIO()
    Image.new("L", (3, 3)).save(file, "PNG")
    make_do()
    with warnings.catch_warnings(record=True) as caught, pytest.raises(Unreadable, match="more than the 5 pixels"):
        open_image(file.getvalue())
    assert not caught


def test_without_a_home_there_is_no_head(no_home: None) -> None:
    said = {words: run_here("cluster", words) for words in ("up", "status", "down")}
    assert said["up"].returncode == 2
    assert said["up"].stderr == (
        "error: /dev/null/.local/state/dist_bp/cluster cannot be written (Not a directory): "
        "set XDG_STATE_HOME to a folder that can be written\n"
    )
    assert (said["status"].returncode, said["status"].stdout) == (1, "no local head: `dist-bp cluster up` starts one\n")
    assert (said["down"].returncode, said["down"].stdout) == (0, "no local head is up\n")
    listed = run_here("jobs", "list")
    assert listed.returncode == 2
    assert "XDG_STATE_HOME" not in listed.stderr


def test_a_terminal_of_ascii_alone_ends_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", out)
    make_do()
    parent = RunRecord("a" * 32, "übung", "FINISHED", 0.0, 1.0, None, "1", {}, {}, {}, "u")
    child = replace(parent, run_id="b" * 32, parent_id=parent.run_id)
    print_runs([parent, child], None, out)
    lines = out.buffer.getvalue().decode("ascii").splitlines()  # type: ignore[attr-defined]
    assert "\\xfcbung" in lines[1]
    assert lines[2].startswith("` bbbbbbbb")


def test_where_nobody_reads_the_output_any_more_the_command_ends_quietly(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (workplace / "job.yaml").write_text(CONFIG)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(SystemExit) as ended:
            main(["train", "job.yaml", "--dry-run"])
        monkeypatch.undo()
        with suppress(BrokenPipeError):
            pipe.close()
    assert ended.value.code == 1
    assert "error" not in capfd.readouterr().err
