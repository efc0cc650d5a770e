"""Commands as people type them, and the processes of a local head."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import psutil

from tests.commands import run_here
from tests.database import rows

COMMAND = [sys.executable, "-m", "dist_bp"]
ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "configs" / "digits.yaml"
LONG = ["train.stop.patience=1000000", "tracking.every_steps=100000", "tracking.log_model=false"]
ENDLESS = [
    *(*LONG, "train.epochs=1000000", "checkpoint.every_epochs=2"),
    "model.layers.0={type: 'tests.runtime.layers:Slow', seconds: 0.01}",
]
"""Training that goes on while a test waits, and leaves the processors to others."""


@dataclass
class Place:
    """A folder to work in and a state folder to remember the head in."""

    folder: Path
    state: Path

    @property
    def environment(self) -> dict[str, str]:
        """Without the variables of this process's own Ray; jobs find the layers of the tests."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        return clean | {"XDG_STATE_HOME": str(self.state), "PYTHONPATH": str(ROOT)}

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """A command in this process, whose own Ray it does not see."""
        with chdir(self.folder), patch.dict(os.environ, self.environment | environment, clear=True):
            return run_here(*arguments)

    def run_apart(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command in a process of its own."""
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def json(self, *arguments: str) -> Any:
        """The object on the last line of standard output of a command that succeeds."""
        ended = self.run(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def head(self) -> Any:
        return json.loads((self.state / "dist_bp" / "cluster" / "head.json").read_text())

    def runs_with_checkpoints(self) -> set[str]:
        return {path.parent.parent.resolve().name for path in self.folder.glob("runs/*/checkpoints/step-*")}

    def run_id(self, job: str) -> str:
        """The MLflow run of a job, once its first checkpoint is written."""

        def trained() -> str | None:
            run = self.json("jobs", "status", job)["mlflow_run_id"]
            return run if run in self.runs_with_checkpoints() else None

        return wait_for(trained)

    def mlflow(self, query: str, *values: str) -> Any:
        """The first row of a query, read without MLflow."""
        return next(iter(rows(query, *values, path=self.folder / "mlflow.db")), None)

    def run_status(self, run: str) -> str:
        return str(self.mlflow("select status from runs where run_uuid = ?", run)[0])


def driver_of(job: str, command: str = "train") -> psutil.Process | None:
    """The process that trains, or does another command; None before it is there."""
    mark = f'"job_submission_id": "{job}"'
    for process in psutil.process_iter():
        try:
            if process.cmdline()[1:4] == ["-m", "dist_bp", command] and mark in str(process.environ()):
                return process
        except psutil.Error:
            continue
    return None


def processes_of(folder: str) -> list[psutil.Process]:
    """What a head has started, and what that has."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("DIST_BP_HEAD") == folder:
                found += [process, *process.children(recursive=True)]
        except psutil.Error:
            continue
    return found


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


Found = TypeVar("Found")


def wait_for(look: Callable[[], Found | None], seconds: float = 60) -> Found:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found
