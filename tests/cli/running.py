"""A `dist-bp train` in a process of its own, for tests in which it does not come to its end."""

import re
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

from dist_bp.processes import patience
from tests.database import rows
from tests.forks import Forked

COMMAND = [sys.executable, "-c", "from dist_bp.cli.main import main; main()"]
CONFIG = """
name: cli
data:
  source: {type: sklearn, name: iris}
  split: {validation: 0.2, test: 0.2}
  preprocess: [{type: standardize}]
model:
  layers:
    - {type: dense, units: 8, activation: tanh}
    - {type: dense, units: 3}
loss: {type: cross_entropy}
train:
  epochs: 5
  batch_size: 16
  group_size: 8
  optimizer: {type: adam, learning_rate: 1e-2}
scaling: {num_workers: 2, servers_per_node: 2}
tracking: {system_metrics: false}
"""
ONE_OF_EACH = ("scaling.num_workers=1", "scaling.servers_per_node=1")
"""Where their number does not matter: each process of Ray's takes seconds to start."""
ENDLESS = [
    *("train.epochs=1000000", "checkpoint.every_epochs=5", "tracking.every_steps=100000"),
    "model.layers.0={type: 'tests.runtime.layers:Slow', seconds: 0.01}",
]
"""Training that goes on while a test waits, and leaves the processors to others."""


def status_of(run_id: str) -> str:
    """The status of a run, read without MLflow."""
    return str(rows("select status from runs where run_uuid = ?", run_id)[0][0])


def ray_folder(raylet: psutil.Process) -> Path:
    """The guarded folder of a private Ray."""
    found = re.search(r"=(\S+/dist_bp-[0-9a-f]{8})/ray/", " ".join(raylet.cmdline()))
    assert found
    return Path(found[1])


class Running:
    """A training command in the background that has begun to write checkpoints."""

    def __init__(self, *arguments: str) -> None:
        self.process = Forked("train", "job.yaml", *ENDLESS, *arguments)
        self.children: list[psutil.Process] = []

    def __enter__(self) -> Self:
        try:
            self._wait_for_a_checkpoint()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.children:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.__exit__()

    def _wait_for_a_checkpoint(self) -> None:
        deadline = time.monotonic() + 120
        while not list(Path("runs").glob("*/checkpoints/step-*")):
            assert self.process.poll() is None, self.process.communicate(10)
            assert time.monotonic() < deadline
            time.sleep(0.1)
        self.run_id = next(path.name for path in Path("runs").glob("[!.]*") if not path.is_symlink())
        self.children = psutil.Process(self.process.pid).children(recursive=True)

    def pid_of(self, title: str) -> int:
        return next(child.pid for child in self.children if any(title in part for part in child.cmdline()))

    def end(self, timeout: float = 60) -> tuple[int, str, float]:
        """Exit code, standard error, and the seconds it took."""
        started = time.monotonic()
        _, errors = self.process.communicate(timeout)
        return self.process.wait(0), errors, time.monotonic() - started

    def assert_nothing_left(self) -> None:
        _, alive = psutil.wait_procs(self.children, timeout=patience(10))
        assert not alive
