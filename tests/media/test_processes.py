"""Files are decoded by processes as by this one, in their order, and no process is left."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dist_bp import control_group
from dist_bp.errors import DataError, TrainingFailed
from dist_bp.images.decoder import Decoder
from dist_bp.images.opening import Unreadable
from dist_bp.images.operations import Recoloured, Resized
from dist_bp.media import crew, files, process
from dist_bp.media.decoder import Unlike, written
from dist_bp.media.files import decode_files
from dist_bp.media.processes import Processes
from dist_bp.processes import descendants

DECODER = Decoder((Recoloured(1), Resized(6, 7, "fit", "bilinear", 0)))


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Images of many sizes, and some files that are none."""
    draw = np.random.default_rng(0)
    names = []
    for number in range(100):
        path = tmp_path / f"{number}.png"
        if number % 9:
            Image.fromarray(draw.integers(0, 256, (5 + number % 4, 8, 3), np.uint8)).save(path)
        else:
            path.write_text("nothing")
        names.append(str(path))
    return names


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is done by this process."""
    monkeypatch.setattr(files, "ALONE_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_processes_give_the_same_as_this_one(paths: list[str]) -> None:
    heard: list[tuple[int, int]] = []
    before = descendants(os.getpid())
    found = [
        one for some in decode_files(DECODER, paths, lambda *now: heard.append(now), crew=Processes(2)) for one in some
    ]
    assert descendants(os.getpid()) == before
    alone = [one for some in decode_files(DECODER, paths, crew=Processes(0)) for one in some]
    assert len(found) == len(alone) == len(paths)
    for mine, theirs in zip(alone, found, strict=True):
        if isinstance(mine, DataError):
            assert isinstance(theirs, Unreadable)
            assert str(theirs) == str(mine)
        else:
            assert np.array_equal(mine, theirs)
    assert heard == [(32, 100), (64, 100), (96, 100), (100, 100)]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("count", [0, 2])
def test_large_images_are_few_at_a_time(paths: list[str], monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    for limit, expected in ((5 * 6 * 7, [6, 5, 5, 4]), (30, [2] + [1] * 18)):  # the first file is no image
        monkeypatch.setattr(files, "BLOCK_BYTES", limit)
        monkeypatch.setattr(crew, "BLOCK_BYTES", limit)
        assert [len(some) for some in decode_files(DECODER, paths[:20], crew=Processes(count))] == expected


@pytest.mark.usefixtures("at_once")
def test_whoever_stops_listening_leaves_no_process(paths: list[str]) -> None:
    blocks = decode_files(DECODER, paths, crew=Processes(2))
    for _ in range(2):  # this process decodes the first
        next(blocks)
    assert len(descendants(os.getpid())) >= 2
    blocks.close()  # type: ignore[attr-defined]
    assert not [pid for pid in descendants(os.getpid()) if b"media.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.usefixtures("at_once")
def test_a_containers_limit_holds_for_processes(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_group, "cpu_limit", lambda: 1.0)
    monkeypatch.setattr(control_group.os, "sched_getaffinity", lambda _: {*range(8)})
    before = descendants(os.getpid())
    blocks = decode_files(DECODER, paths)
    for _ in range(2):
        next(blocks)
    assert len(descendants(os.getpid()) - before) == 1
    blocks.close()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("count", [0, 2])
def test_of_other_shapes_than_the_first_nothing_but_the_shape_is_kept(tmp_path: Path, count: int) -> None:
    paths = []
    for number in range(80):
        shape = (5, 8) if number % 3 else (7, 4, 3)
        path = tmp_path / f"{number}.png"
        path.write_text("nothing")
        if number > 40:
            Image.fromarray(np.full(shape, number, np.uint8)).save(path)
        paths.append(str(path))
    found = [one for some in decode_files(Decoder(), paths, crew=Processes(count)) for one in some]
    assert all(isinstance(one, Unreadable) for one in found[:41])
    for number, one in enumerate(found[41:], 41):
        if number % 3:
            assert isinstance(one, np.ndarray)
            assert np.array_equal(one, np.full((5, 8, 1), number))
        else:
            assert one == Unlike((7, 4, 3))


def stub(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A process that runs the code in place of decoding."""
    (folder / "stub.py").write_text(
        "import os, signal, sys, time\n"
        "from dist_bp.errors import DataError\n"
        "from dist_bp.media import crew, worker\n"
        "DECODE = crew.decode_one\n"
        f"def decode_one(*_, **__):\n    {code}\ncrew.decode_one = decode_one\nworker.main()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(process, "MODULE", "stub")


@pytest.mark.usefixtures("at_once")
def test_a_process_hands_over_what_fills_a_block(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [one for some in decode_files(DECODER, paths, crew=Processes(0)) for one in some]
    stub(tmp_path, monkeypatch, "crew.BLOCK_BYTES = 100; return DECODE(*_, **__)")
    found = [*decode_files(DECODER, paths, crew=Processes(2))]
    assert max(len(some) for some in found[1:]) == 4  # of 42 bytes, and one that is none
    for mine, theirs in zip(expected, [one for some in found for one in some], strict=True):
        assert str(theirs) == str(mine) if isinstance(mine, DataError) else np.array_equal(theirs, mine)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "it was killed, as by a system whose memory is too small"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "signal 15"),
        ("raise RuntimeError('first\\nand last')", "and last (exit code 1)"),
        ("os._exit(3)", "exit code 3"),
    ],
)
def test_a_process_that_ends_by_itself_says_why(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    stub(tmp_path, monkeypatch, code)
    with pytest.raises(DataError) as caught:
        list(decode_files(DECODER, paths, crew=Processes(1)))
    assert str(caught.value) == (
        f"the process that decodes images ended at one of the files {paths[32]!r} to {paths[63]!r}: {reason}"
    )


def test_a_process_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SECONDS", 60.0)
    stub(tmp_path, monkeypatch, "return DataError('no') if _[1] == 'first' else time.sleep(600)")
    worker = process.Process.start(DECODER, None)
    assert worker
    try:
        worker.ask(["first"])
        ((one,),) = worker.answers(["first"])
        assert str(one) == "no"
        monkeypatch.setattr(process, "SECONDS", 0.1)
        worker.ask(["second"])
        with pytest.raises(DataError, match=r"ended at the file 'second': it took more than 0 s"):
            next(worker.answers(["second"]))
    finally:
        worker.end()


HOLDING = "import subprocess; subprocess.Popen(['sleep', '3'], start_new_session=True)"
"""Another process has the streams of the one that decodes."""


def test_a_process_that_ended_is_not_waited_for_though_another_holds_its_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(tmp_path, monkeypatch, f"{HOLDING}; os._exit(3)")
    worker = process.Process.start(DECODER, None)
    assert worker
    started = time.monotonic()
    worker.ask(["first"])
    with pytest.raises(DataError, match=r"ended at the file 'first': exit code 3"):
        next(worker.answers(["first"]))
    worker.end()
    assert time.monotonic() - started < 2.5


def test_whoever_stops_listening_does_not_wait_for_who_holds_the_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = tmp_path / "begun"
    stub(tmp_path, monkeypatch, f"{HOLDING}; open({str(begun)!r}, 'w').close(); time.sleep(60)")
    worker = process.Process.start(DECODER, None)
    assert worker
    worker.ask(["first"])
    deadline = time.monotonic() + 30
    while not begun.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started = time.monotonic()
    worker.end()
    assert time.monotonic() - started < 2.5


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("module", "reason"),
    [("dist_bp.media.nowhere", r".*No module named dist_bp.media.nowhere \(exit code 1\)"), ("this", "exit code 0")],
)
def test_a_process_that_cannot_start_is_no_fault_of_the_files(
    paths: list[str], monkeypatch: pytest.MonkeyPatch, module: str, reason: str
) -> None:
    monkeypatch.setattr(process, "MODULE", module)
    with pytest.raises(TrainingFailed, match=rf"^a process that decodes images cannot start: {reason}$"):
        list(decode_files(DECODER, paths, crew=Processes(1)))


def test_a_process_whose_command_was_killed_ends_in_the_midst_of_its_work(paths: list[str]) -> None:
    big = Path(paths[1]).with_name("big.png")
    Image.new("RGB", (1000, 1000)).save(big)
    command = (sys.executable, "-m", process.MODULE, written(DECODER), "null")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdin is not None
        try:
            worker.stdin.write(json.dumps([str(big)] * 10_000).encode() + b"\n")  # minutes; a pipe holds a tenth of it
            worker.stdin.close()
            worker.wait(10)
        finally:
            worker.kill()


def test_the_process_imports_little() -> None:
    code = "import sys, dist_bp.media.worker; print(*{'pydantic', 'pandas', 'yaml', 'dist_bp.data'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
