"""validate, render, schema and the ends of a command, through the real command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from dist_bp.cli import main as command_line
from dist_bp.config import load_config
from dist_bp.errors import DataError, Interrupted, TrainingFailed

ROOT = Path(__file__).parents[2]
DIGITS = str(ROOT / "configs/digits.yaml")
HEAVY = {"ray", "mlflow", "sklearn", "pandas", "rich", "scipy", "pyarrow"}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command line in an empty working directory: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def invoke(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            command_line.main(arguments)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return invoke


@pytest.fixture
def broken(monkeypatch):
    """Adds the command `broken`, which raises what it is told to."""

    def add(error: BaseException) -> None:
        def command() -> None:
            raise error

        monkeypatch.setitem(command_line.COMMANDS, "broken", command)

    return add


def test_validate(run):
    code, out, err = run("validate", DIGITS, "train.epochs=2")
    assert (code, err) == (0, "")
    assert out == (
        "ok: digits: sklearn digits, 3 layers, cross_entropy, adam at 0.001, 2 epochs of batches of 64, 2 workers\n"
    )


def test_validate_lists_every_problem(run):
    code, out, err = run("validate", DIGITS, "train.epochs=0", "scaling.num_worker=3")
    assert (code, out) == (2, "")
    assert err == (
        "error: override train.epochs=0: must be at least 1, got 0\n"
        "error: override scaling.num_worker=3: unknown key 'num_worker': did you mean 'num_workers'? "
        "(allowed: num_workers, min_workers, servers_per_node, cpus_per_worker, placement)\n"
    )


def test_render(run, tmp_path):
    code, out, err = run("render", DIGITS, "seed=5")
    assert (code, err) == (0, "")
    Path("rendered.yaml").write_text(out, encoding="utf-8")
    assert load_config("rendered.yaml") == load_config(DIGITS, ["seed=5"])
    assert yaml.safe_load(out)["train"]["group_size"] == 32


def test_schema(run):
    code, out, _ = run("schema")
    assert code == 0
    assert set(json.loads(out)["required"]) == {"name", "data", "model", "loss", "train"}
    assert "monitor" in json.loads(run("schema", "train.stop")[1])["properties"]
    assert run("schema", "nothing")[0] == 2


@pytest.mark.parametrize("arguments", [["validate"], ["nonsense"], ["validate", DIGITS, "--nonsense"], []])
def test_wrong_usage(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2
    assert "Usage: dist-bp" in out + err


def test_help_lists_the_commands(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(f"\n  {name} " in out for name in command_line.COMMANDS)


def test_version(run):
    from importlib.metadata import version

    assert run("--version") == (0, f"dist-bp {version('dist_bp')}\n", "")


@pytest.mark.parametrize(
    ("error", "code", "err"),
    [
        (
            DataError(["a.csv: no rows", "b.csv: no rows"]),
            2,
            "error: a.csv: no rows\nerror: b.csv: no rows\n",
        ),
        (TrainingFailed("worker 1 died"), 1, "error: worker 1 died\n"),
        (Interrupted("stopped at step 4"), 130, "error: stopped at step 4\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=["user", "failed", "interrupted", "ctrl-c"],
)
def test_exit_codes(run, broken, error, code, err):
    broken(error)
    assert run("broken") == (code, "", err)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_first_of_several_signals_ends_a_command_as_ctrl_c_does(run, monkeypatch, number):
    cleared_up = []

    def command() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)
        finally:
            os.kill(os.getpid(), number)  # a shell that is closed passes on what the terminal has sent
            cleared_up.append(True)

    monkeypatch.setitem(command_line.COMMANDS, "broken", command)
    before = signal.getsignal(number)
    assert run("broken") == (130, "", f"error: interrupted by {number.name}\n")
    assert cleared_up == [True]
    assert signal.getsignal(number) is before


def test_an_import_that_a_signal_ends_is_no_failure(run, broken):
    error = ImportError("initialization failed")
    error.__cause__ = KeyboardInterrupt("SIGTERM")
    broken(error)
    assert run("broken") == (130, "", "error: interrupted by SIGTERM\n")


def test_nohup_holds(run, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setitem(command_line.COMMANDS, "broken", lambda: os.kill(os.getpid(), signal.SIGHUP))
        assert run("broken") == (0, "", "")
    finally:
        signal.signal(signal.SIGHUP, before)


FORKED = """
import os, signal, time
from dist_bp.cli.ends import as_ctrl_c
with as_ctrl_c():
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(write, b"here")
        time.sleep(10)
        os._exit(0)
    os.read(read, 4)
    os.kill(pid, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_fork_of_a_command_ends_as_any_process():
    ended = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=30, check=True)
    assert (ended.stdout, ended.stderr) == ("-15\n", "")


def test_an_unexpected_exception_is_told_in_one_line(run, broken):
    error = RuntimeError("worker failed")
    error.__cause__ = ZeroDivisionError("division by zero\nand more")
    broken(error)
    code, out, err = run("broken")
    (log,) = Path(".dist_bp/logs").glob("*.log")
    assert (code, out) == (1, "")
    assert err == f"error: ZeroDivisionError: division by zero (traceback in {log})\n"
    assert "RuntimeError: worker failed" in log.read_text(encoding="utf-8")


def test_an_unexpected_exception_where_nothing_can_be_written(run, broken):
    Path(".dist_bp").write_text("in the way")
    broken(RuntimeError())
    code, _, err = run("broken")
    assert code == 1
    assert "Traceback" in err
    assert "error: RuntimeError (traceback above, .dist_bp/logs cannot be written)" in err


@pytest.mark.parametrize("arguments", [["--help"], ["validate", DIGITS], ["schema"]], ids=" ".join)
def test_nothing_heavy_is_imported(tmp_path, arguments):
    script = "import sys; from dist_bp.cli.main import main; main(sys.argv[1:])"
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert {"dist_bp", "typer"} <= imported
    assert imported & HEAVY == set()
