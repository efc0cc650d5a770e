"""`dist-bp train` as people type it, each in an empty folder, and in a process of its own where it ends with that."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from dist_bp.processes import patience
from tests.cli.running import COMMAND, CONFIG, ENDLESS, ONE_OF_EACH, Running, ray_folder, status_of
from tests.commands import run_here
from tests.conftest import shared_memory_files
from tests.database import rows
from tests.forks import Forked


@pytest.fixture
def folder(workplace: Path, database: Path) -> Path:
    (workplace / "job.yaml").write_text(CONFIG)
    return workplace


def dist_bp(*arguments: str, timeout: float = 120) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout)


def runs() -> int:
    """Runs in the store, read without MLflow."""
    return int(rows("select count(*) from runs")[0][0])


def test_two_workers_and_two_servers_on_ray(folder: Path) -> None:
    before = shared_memory_files()
    ended = dist_bp("train", "job.yaml", "--json")
    assert ended.returncode == 0, ended.stderr
    (line,) = ended.stdout.splitlines()
    result = json.loads(line)
    assert result["status"] == "FINISHED"
    assert (result["epochs"], result["steps"], result["num_workers"]) == (5, 30, 2)
    assert result["samples_per_second"] > 0
    assert {"train_loss", "val_loss", "val_accuracy", "test_loss", "test_accuracy"} <= set(result["metrics"])
    assert re.fullmatch("[0-9a-f]{64}", result["parameters_sha256"])
    assert Path(result["checkpoint"], "manifest.json").is_file()
    assert result["model_uri"].startswith("models:/")
    assert status_of(result["run_id"]) == "FINISHED"
    assert "next" in ended.stderr
    assert not [line for line in ended.stderr.splitlines() if "ray" in line.lower() or "INFO" in line]
    assert shared_memory_files() <= before
    proved = run_here("verify", result["run_id"], "--from", "0", "--json", "--quiet")  # by threads of this process
    verdict = json.loads(proved.stdout)
    assert verdict["identical"]
    assert verdict["legs"][-1]["parameters_sha256"] == result["parameters_sha256"]
    assert not any(leg["differences"] for leg in verdict["legs"])
    in_process = run_here("train", "job.yaml", "scaling.num_workers=0", "--json", "--quiet")
    assert in_process.stderr == ""
    local = json.loads(in_process.stdout)
    assert local["metrics"]["test_accuracy"] == pytest.approx(result["metrics"]["test_accuracy"], abs=0.04)


@pytest.fixture
def memory_before() -> Iterator[set[str]]:
    before = shared_memory_files()
    yield before
    assert shared_memory_files() <= before


def test_a_killed_process_ends_the_command_with_its_name(folder: Path, memory_before: set[str]) -> None:
    with Running("failure.max_failures=0", *ONE_OF_EACH) as running:
        os.kill(running.pid_of("ray::ServerProcess"), signal.SIGKILL)
        code, errors, seconds = running.end()
        assert code == 1
        died = r"error: server \d died: its process ended or was killed, at step \d+; "
        assert re.match(rf"{died}more failures than failure.max_failures \(0\). Ended after ", errors.splitlines()[-1])
        assert seconds < patience(10)
        assert status_of(running.run_id) == "FAILED"
        running.assert_nothing_left()
        in_process = ("scaling.num_workers=0", "train.stop.max_steps=10")
        resumed = run_here("train", "job.yaml", *ENDLESS, *in_process, "--resume", "auto", "--json")
        assert json.loads(resumed.stdout)["run_id"] == running.run_id


def test_a_killed_driver_leaves_nothing_and_a_failed_run(folder: Path, memory_before: set[str]) -> None:
    with Running(*ONE_OF_EACH) as running:
        running.process.kill()
        code, errors, _ = running.end()
        assert code == -signal.SIGKILL
        assert "the driver" in errors
        running.assert_nothing_left()
        deadline = time.monotonic() + 20
        while status_of(running.run_id) == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert status_of(running.run_id) == "FAILED"


def test_a_driver_killed_while_ray_starts_leaves_nothing(folder: Path, memory_before: set[str]) -> None:
    with Forked("train", "job.yaml") as command:
        family = psutil.Process(command.pid)
        deadline = time.monotonic() + 60
        while not (
            found := [child for child in family.children(recursive=True) if "raylet" in " ".join(titles(child))]
        ):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        guarded, children = ray_folder(found[0]), family.children(recursive=True)
    assert not psutil.wait_procs(children, timeout=patience(10))[1]
    deadline = time.monotonic() + patience(10)
    while guarded.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


KILLED = """
import os, signal, sys, tempfile
from dist_bp.cli.main import main
make = tempfile.mkdtemp
def killed(*arguments, **options):
    folder = make(*arguments, **options)
    if folder.startswith(os.environ["TMPDIR"]):
        print(folder, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return folder
tempfile.mkdtemp = killed
main()
"""
"""Killed as soon as anything, such as MLflow on its way to the store, has made a temporary folder."""


def test_a_driver_killed_with_temporary_files_leaves_none(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    command = [*COMMAND[:-1], KILLED, "train", "job.yaml", "scaling.num_workers=0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert Path(ended.stdout.strip()).relative_to(temporary).parts[0].startswith("dist_bp-")
    deadline = time.monotonic() + 20
    while left := list(temporary.iterdir()):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def titles(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_a_flipped_bit_in_the_checkpoint_is_found(folder: Path) -> None:
    ended = run_here("train", "job.yaml", "scaling.num_workers=0", "tracking.log_model=false", "--json", "--quiet")
    checkpoint = Path(json.loads(ended.stdout)["checkpoint"])
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    refused = run_here("train", "job.yaml", "scaling.num_workers=0", "--resume", str(checkpoint))
    assert refused.returncode == 2
    assert re.match(r"error: .*model\.safetensors", refused.stderr), refused.stderr
    assert run_here("evaluate", str(checkpoint)).returncode == 2


@pytest.mark.parametrize(
    ("number", "scaling"), [(signal.SIGINT, ["scaling.num_workers=0"]), (signal.SIGTERM, ONE_OF_EACH)]
)
def test_an_interrupt_saves_a_checkpoint_first(
    folder: Path, memory_before: set[str], number: int, scaling: Sequence[str]
) -> None:
    with Running(*scaling) as running:
        running.process.send_signal(number)
        code, errors, seconds = running.end()
        assert code == 130
        step = re.search(r"after step (\d+): checkpoint saved", errors)
        assert step
        assert seconds < patience(10)
        assert Path("runs", running.run_id, "checkpoints", f"step-{int(step[1]):09}", "manifest.json").is_file()
        assert status_of(running.run_id) == "KILLED"
        running.assert_nothing_left()


def edited(*changes: tuple[str, str]) -> None:
    text = Path("job.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("job.yaml").write_text(text)


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        (["missing.yaml"], [], "missing.yaml"),
        (["job.yaml"], [("epochs: 5", "epoch: 5")], r"job.yaml:13: .*'epoch'.*did you mean 'epochs'"),
        (["job.yaml"], [("1e-2", "-1")], r"job.yaml:16: train.optimizer.learning_rate: must be greater than 0"),
        (["job.yaml"], [("units: 3", "units: 4")], "cross_entropy over 3 classes needs 3 units"),
        (["job.yaml", "train.batch_size=5000"], [], "batch_size is 5000, but the training split has only 90"),
        (["job.yaml", "scaling.cpus_per_worker=500"], [], r"needs 1,000 CPUs .* this Ray has \d+"),
        (["job.yaml", "tracking.tracking_uri=http://127.0.0.1:9"], [], "127.0.0.1:9"),
        (["job.yaml", "tracking.tracking_uri=sqlite:////nowhere/at/all/mlflow.db"], [], "/nowhere/at/all"),
        (["job.yaml", "checkpoint.directory=/proc/nowhere"], [], "/proc/nowhere"),
        (["job.yaml", "data.source={type: csv, path: none.csv, target: a}"], [], "none.csv"),
        (["job.yaml", "--resume", "nothing"], [], "nothing is neither a run in runs nor a folder"),
    ],
)
def test_wrong_input_is_one_line_and_starts_nothing(
    folder: Path, arguments: list[str], changes: list[tuple[str, str]], message: str
) -> None:
    edited(*changes)
    ended = run_here("train", *arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert re.search(message, ended.stderr), ended.stderr
    assert all(line.startswith("error: ") for line in ended.stderr.splitlines())
    assert runs() == 0
    assert not list(Path().glob("runs/*"))


def test_a_dry_run_shows_the_plan_and_starts_nothing(folder: Path) -> None:
    ended = run_here("train", "job.yaml", "--dry-run")
    assert ended.returncode == 0
    for expected in ("90 train, 30 validation, 30 test", "40", "27", "67", "MiB", "30"):
        assert expected in ended.stdout
    assert runs() == 0
    late = run_here("train", "job.yaml", "--dry-run", "parameter_server={mode: ssp, max_staleness: 256}")
    needed, more = (float(re.findall(r"memory +([0-9.]+) MiB", each.stdout)[0]) for each in (ended, late))
    assert more - needed > 256 * 3 * 67 * 4 / 2**20, "of each update a copy of 67 parameters and of two gradients"
    refused = run_here("train", "job.yaml", "--dry-run", "scaling.cpus_per_worker=500")
    assert refused.returncode == 2
    assert "needs 1,000 CPUs" in refused.stderr
