"""`dist-bp runs` and `dist-bp ui` on a store with real runs."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from dist_bp.cli.main import main
from dist_bp.config import load_config
from dist_bp.track.mlflow_open import open_tracker
from dist_bp.track.port import PARENT, TrackingSettings
from dist_bp.track.view import runs_url
from dist_bp.train.job import run_job
from dist_bp.train.result import Result
from tests.cli.test_train import COMMAND, CONFIG
from tests.commands import run_here

Run = Callable[..., tuple[int, str, str]]
IN_PROCESS = ["scaling.num_workers=0", "scaling.servers_per_node=1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[dict[str, Result]]:
    """The working directory holds a store with two runs by name and a nested one."""
    before = Path.cwd()
    folder = tmp_path_factory.mktemp("runs")
    os.chdir(folder)
    shutil.copy(empty_database, "mlflow.db")
    Path("job.yaml").write_text(CONFIG)
    results = {}
    for name, changes in (("good", ["train.epochs=40"]), ("poor", ["train.epochs=2", "tracking.log_model=false"])):
        results[name] = run_job(load_config("job.yaml", [*IN_PROCESS, *changes, f"tracking.run_name={name}"]))
    settings = TrackingSettings("sqlite:///mlflow.db", "cli", Path("spool"), "trial", system_metrics=False)
    child = open_tracker(settings, {"train.epochs": "1"}, "", {PARENT: results["poor"].run_id})
    child.log(1, {"val_accuracy": float("nan"), "val_loss": 9.0})
    child.finish("FAILED")
    yield results
    os.chdir(before)


@pytest.fixture
def run(trained: dict[str, Result], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command: exit code, standard output, standard error."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def invoke(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return invoke


def answer(result: tuple[int, str, str]) -> Any:
    code, out, err = result
    assert code == 0, err
    assert out.count("\n") == 1
    return json.loads(out)


def test_runs_are_listed_with_nested_ones_below_theirs(run: Run, trained: dict[str, Result]) -> None:
    code, out, err = run("runs", "list")
    assert (code, err) == (0, "")
    lines = out.splitlines()[2:]
    assert [re.sub(r"└ ", "", line).split()[1] for line in lines] == ["poor", "trial", "good"]
    assert lines[1].startswith("└ ")
    assert "FAILED" in lines[1]
    assert f"{trained['good'].metrics['val_accuracy']:.4f}" in lines[2]


def test_runs_are_sorted_filtered_and_limited(run: Run, trained: dict[str, Result]) -> None:
    def names(*options: str) -> list[str]:
        return [record["name"] for record in answer(run("runs", "list", "--json", *options))["runs"]]

    assert names("--sort", "val_loss") == ["good", "poor", "trial"]
    assert names("--sort", "val_loss:desc", "--config", "job.yaml") == ["trial", "poor", "good"]
    assert names("--filter", "metrics.`val_loss` < 5", "--sort", "val_loss", "--limit", "1") == ["good"]
    assert names("--filter", "status = 'FAILED'") == ["trial", "poor"]  # with the run that it belongs to
    assert names("--filter", "params.seed = 'none'") == []
    record = answer(run("runs", "list", "--json", "--filter", "attributes.run_name = 'trial'"))["runs"][0]
    assert record["metrics"] == {"val_accuracy": None, "val_loss": 9.0}
    assert record["parent_id"] == trained["poor"].run_id


def test_a_run_is_shown_by_name_or_the_beginning_of_its_id(run: Run, trained: dict[str, Result]) -> None:
    good = trained["good"]
    code, out, _ = run("runs", "show", "good")
    assert code == 0
    for expected in (good.run_id, str(good.model_uri), "figures/loss.png", "train.batch_size", good.run_url):
        assert str(expected) in out
    shown = answer(run("runs", "show", good.run_id[:10], "--json"))
    assert shown["run_id"] == good.run_id
    assert shown["params"]["train.epochs"] == "40"
    models = [model["name"] for model in shown["models"]]
    assert models == ["model"] + ["checkpoint"] * len(list(Path(good.checkpoint).parent.iterdir()))
    assert shown["models"][0]["metrics"]["test_accuracy"] == good.metrics["test_accuracy"]


def test_runs_are_compared_in_the_terminal_in_png_and_in_html(run: Run, trained: dict[str, Result]) -> None:
    code, out, _ = run("runs", "compare", "good", "poor", "--output", "both.png")
    assert code == 0
    assert "train.epochs" in out
    assert "train.batch_size" not in out
    with Image.open("both.png") as image:
        assert image.width > 500
    page = Path("both.html").read_text()
    assert "<svg" in page
    assert "train.epochs" in page
    assert not re.search(r"""(src|href)=["']https?:""", page)
    facts = answer(run("runs", "compare", "good", "poor", "trial", "--json"))
    assert facts["params"]["train.epochs"] == ["40", "2", "1"]
    assert facts["metrics"]["val_accuracy"][2] is None
    assert Path("compare.png").is_file()


def test_the_best_run_is_told_with_its_model(run: Run, trained: dict[str, Result]) -> None:
    good = trained["good"]
    best = answer(run("runs", "best", "--metric", "val_accuracy", "--json"))
    assert (best["run_id"], best["metric"]) == (good.run_id, "val_accuracy")
    assert (best["value"], best["model_uri"]) == (good.metrics["val_accuracy"], good.model_uri)
    code, out, _ = run("runs", "best", "--metric", "val_loss", "--mode", "max")
    assert code == 0
    assert "trial" in out
    assert "no model in MLflow" in out  # and a run without a folder, either
    nested = answer(run("runs", "best", "--metric", "val_loss", "--json", "--filter", "attributes.run_name = 'trial'"))
    assert nested["value"] == 9.0  # though the run that it belongs to is better
    command = next(line for line in run("runs", "best", "--metric", "val_loss")[1].splitlines() if "evaluate" in line)
    code, _, err = run(*command.split()[1:])
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--sort", "val_acuracy"], "unknown metric 'val_acuracy': did you mean 'val_accuracy'"),
        (["list", "--sort", "val_loss:up"], "the order is asc or desc, not 'up'"),
        (["list", "--filter", "metrics.x >> 3"], "--filter: Invalid "),
        (["list", "--experiment", "clo"], "there is no experiment 'clo' in the store: did you mean 'cli'"),
        (["list", "--tracking-uri", "sqlite:///other.db"], "there is no store .*other.db"),
        (["list", "--tracking-uri", "http://127.0.0.1:9"], "does not answer"),
        (["show", "god"], "there is no run 'god': did you mean 'good'"),
        (["show", ""], "is more than one run"),
        (["compare", "good"], "at least two runs"),
        (["compare", "good", "poor", "--output", "x.jpg"], "give a name that ends in .png"),
        (["compare", "good", "good"], "all the same run"),
        (["compare", "good", "poor", "--output", "/proc/x.png"], "cannot be written"),
        (["best", "--metric", "val_loss", "--filter", "params.seed = 'none'"], "no run has a value of val_loss and"),
    ],
)
def test_wrong_input_is_one_line(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run("runs", *arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"error: .*{message}.*\n", err), err
    assert not Path("other.db").exists()


@pytest.mark.parametrize("uri", ["models:/nothing", "models:/nothing@best", "models:/nothing/1", "runs:/0/model"])
def test_a_model_that_is_not_there_is_told_in_one_line(run: Run, uri: str) -> None:
    code, out, err = run("evaluate", uri)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"error: {uri} is not in sqlite:.*\n", err), err


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_the_pages_are_served_until_the_command_ends(trained: dict[str, Result], tmp_path: Path) -> None:
    ports = {end: free_port() for end in (signal.SIGINT, signal.SIGKILL)}
    serving = {
        end: subprocess.Popen(
            [*COMMAND, "ui", "job.yaml", "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        for end, port in ports.items()
    }
    families = []
    try:
        for end, process in serving.items():
            assert process.stdout
            page = process.stdout.readline().strip()
            server = f"http://127.0.0.1:{ports[end]}"
            assert page == f"runs: {runs_url(server, '1', viewed=True)}"
            families.append(psutil.Process(process.pid).children(recursive=True))
            assert sum("mlflow" in " ".join(child.cmdline()) for child in families[-1]) == 2
        taken = run_here("ui", "job.yaml", "--port", str(ports[signal.SIGINT]))
        assert taken.returncode == 2
        assert re.fullmatch(r"error: --port \d+: cannot be used \(Address already in use\): .*\n", taken.stderr)
        served = run_here("ui", "job.yaml", f"tracking.tracking_uri=http://127.0.0.1:{ports[signal.SIGINT]}")
        assert served.stdout.startswith("served already: http://127.0.0.1:")
        assert "/#/experiments/1/runs?" in served.stdout
        figure = f"get-artifact?path=figures%2Floss.png&run_uuid={trained['good'].run_id}"
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[signal.SIGINT]}/{figure}", timeout=10) as image:
            assert image.read().startswith(b"\x89PNG")
        for end, process in serving.items():
            process.send_signal(end)
        for family in families:
            assert not psutil.wait_procs(family, timeout=15)[1]
        assert serving[signal.SIGINT].wait(15) == 0
        assert list(tmp_path.iterdir()) == []
    finally:
        for process in serving.values():
            process.kill()
            process.communicate()
        for child in (child for family in families for child in family if child.is_running()):
            child.kill()


def test_a_store_that_is_not_there_is_not_served(trained: dict[str, Result]) -> None:
    ended = run_here("ui", "job.yaml", "tracking.tracking_uri=sqlite:///none.db")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(r"error: there is no store .*none.db: train first.*\n", ended.stderr)
    assert not Path("none.db").exists()
