"""A signal while the data is prepared ends `dist-bp train`, and leaves nothing of it."""

import signal
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from dist_bp.media.process import MODULE
from tests.commands import run_here
from tests.forks import Forked

CONFIG = """
name: job
data:
  source: {type: image_folder, path: images}
  preprocess: [{type: resize, size: 8}, scale]
model: {layers: [flatten, {type: dense, units: 2}]}
loss: cross_entropy
train: {epochs: 1, batch_size: 32, optimizer: adam}
scaling: {num_workers: 0}
"""
PREPARED = Path(".dist_bp/prepared")


@pytest.fixture
def images(workplace: Path) -> None:
    """Many that take long to decode, and no room on the disk."""
    (workplace / "job.yaml").write_text(CONFIG)
    for name in ("black", "white"):
        (workplace / "images" / name).mkdir(parents=True)
        first = workplace / "images" / name / "first.png"
        Image.new("RGB", (2000, 2000), name).save(first)
        for number in range(400):
            first.with_name(f"{number}.png").hardlink_to(first)


def decoders(command: Forked) -> list[psutil.Process]:
    """Those that decode, once they do."""
    deadline = time.monotonic() + 60
    while not (found := [one for one in psutil.Process(command.pid).children() if MODULE in one.cmdline()]):
        assert command.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)  # as long as they need to start
    assert all(one.is_running() for one in found)
    return found


def left() -> list[Path]:
    return [*PREPARED.glob("*.partial"), *PREPARED.glob("*.pixels")]


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_while_images_are_decoded(number: signal.Signals) -> None:
    with Forked("train", "job.yaml") as command:
        working = decoders(command)
        command.send_signal(number)
        _, said = command.communicate(20)
    assert psutil.wait_procs(working, timeout=5)[1] == []
    if number == signal.SIGKILL:
        assert len(left()) == 2
        return
    assert said.splitlines()[-1] == (
        "error: interrupted while the data was prepared; nothing is lost: run the same command again"
    )
    assert command.returncode == 130
    assert left() == []


def test_a_preparation_that_fails_leaves_nothing(workplace: Path) -> None:
    (workplace / "job.yaml").write_text(CONFIG)
    for name in ("black", "white"):
        (workplace / "images" / name).mkdir(parents=True)
        (workplace / "images" / name / "first.png").write_text("nothing")
    assert run_here("train", "job.yaml").returncode == 2
    assert left() == []
