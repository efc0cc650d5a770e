"""`dist-bp sweep` as people type it, on a Ray of its own."""

import json
import shlex
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dist_bp.checkpoint import load, open_store
from dist_bp.config import load_config
from dist_bp.control_group import local_cpus
from dist_bp.runtime.warden import Warden
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.journal import sweep_folder
from dist_bp.sweep.resume import read_record
from tests.cli.running import CONFIG, ONE_OF_EACH
from tests.commands import run_here
from tests.database import rows
from tests.forks import Forked

SWEEP = """
sweep:
  metric: val_accuracy
  num_samples: 6
  search: tpe
  scheduler: {type: asha, grace_period: 1, reduction_factor: 2}
  parameters:
    train.optimizer.learning_rate: {type: loguniform, low: 1e-4, high: 1e-1}
    model.layers.0.units: {type: choice, values: [8, 16]}
"""
QUICK = ("train.epochs=8", "scaling.num_workers=0", "scaling.servers_per_node=1")
PLAIN = (*QUICK, "tracking.log_model=false")
GRID = "sweep.parameters={train.optimizer.learning_rate: {type: grid, values: [1e+38, 1e-2, 2e+38, 1e-3]}}"


@pytest.fixture
def folder(workplace: Path, database: Path) -> Path:
    (workplace / "job.yaml").write_text(CONFIG + SWEEP)
    return workplace


def children(parent: str) -> list[tuple[str, str]]:
    """Name and status of the runs nested below another."""
    return rows(
        "select name, status from runs join tags on tags.run_uuid = runs.run_uuid "
        "where tags.key = 'mlflow.parentRunId' and tags.value = ? order by name",
        parent,
    )


def refused(*arguments: str) -> str:
    """What a sweep that is refused says: one line."""
    ended = run_here("sweep", *arguments)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    return line


def test_a_sweep_gives_up_trials_and_publishes_the_best(folder: Path, ray_session: Warden) -> None:
    ended = run_here("sweep", "job.yaml", *QUICK, "--name", "one", "--json")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    trials = result["trials"]
    assert sorted(trial["number"] for trial in trials) == list(range(6))
    assert {trial["status"] for trial in trials} == {"finished", "stopped"}
    assert result["epochs"] == sum(trial["epochs"] for trial in trials) < 6 * 8 * 0.7
    scores = [trial["score"] for trial in trials]
    assert scores == sorted(scores, reverse=True)
    query = "select value from latest_metrics where run_uuid = ? and key = ?"
    for trial in trials:  # also of those that were given up
        for name, value in trial["metrics"].items():
            if not name.startswith("test"):
                assert rows(query, trial["run_id"], name) == [(pytest.approx(value),)]
        assert trial["score"] == trial["metrics"]["val_accuracy"]
    for name in ("sweep/score", "val_accuracy"):
        assert rows(query, result["run_id"], name) == [(pytest.approx(scores[0]),)]
    assert children(result["run_id"]) == [(f"trial {number}", "FINISHED") for number in range(6)]
    assert rows("select status from runs where run_uuid = ?", result["run_id"]) == [("FINISHED",)]
    assert len(rows("select distinct value from tags where key = 'mlflow.source.name'")) == 1
    files = {path.name for path in Path("mlartifacts", result["run_id"], "artifacts").rglob("*")}
    wanted = {"trials.csv", "trials.html", "parallel_coordinates.png", "importances.png", "best.yaml", "config.yaml"}
    assert wanted | {"report.html"} <= files
    curve = rows("select step, value from metrics where key = 'sweep/best' and run_uuid = ?", result["run_id"])
    assert [step for step, _ in sorted(curve)] == list(range(1, 7))
    assert [value for _, value in sorted(curve)] == sorted(value for _, value in curve)
    params = {key for (key,) in rows("select key from params where run_uuid = ?", result["run_id"])}
    assert {"name", "data.source.type", "sweep.metric"} <= params
    assert not {key for key in params if key.startswith(("model.", "train.", "scaling."))}
    ranking = Path("mlartifacts", result["run_id"], "artifacts", "trials.csv").read_text().splitlines()
    assert len(ranking) == 7
    assert ranking[0].startswith("rank,trial,status,val_accuracy,train.optimizer.learning_rate,model.layers.0.units")
    best = yaml.safe_load(Path(result["best_config"]).read_text())
    assert best["model"]["layers"][0]["units"] == trials[0]["values"]["model.layers.0.units"]
    assert run_here("validate", result["best_config"]).returncode == 0
    assert run_here("evaluate", result["model_uri"], "--split", "validation").returncode == 0
    ((page,),) = rows(
        "select value from tags where key = 'mlflow.note.content' and run_uuid = ?",
        result["run_id"],
    )
    assert page.startswith(f"**Sweep one** of cli: val_accuracy {scores[0]:.4g}, trial {trials[0]['number']} of 6\n")
    assert "| rank | trial | status | val_accuracy |" in page
    for figure in ("parallel_coordinates", "importances"):
        assert f"(get-artifact?path=figures%2F{figure}.png&run_uuid={result['run_id']})" in page
    assert not list(Path("runs", "sweeps", "one").glob("tune"))
    told = refused("job.yaml", *QUICK, "--name", "one")
    assert f"go on with `dist-bp sweep job.yaml {' '.join(QUICK)} --resume one`, or choose another --name" in told


def events(name: str) -> list[dict[str, Any]]:
    path = Path("runs", "sweeps", name, "trials.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def kill_after(epochs: int, *arguments: str) -> None:
    """Begins a sweep and kills its driver once it has told of so many epochs."""
    with Forked("sweep", "job.yaml", *arguments) as process:
        deadline = time.monotonic() + 100
        while sum(event["event"] == "epoch" for event in events("cut")) < epochs:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)


def course(result: dict[str, Any]) -> list[tuple[int, str, int, float]]:
    return [(trial["number"], trial["status"], trial["epochs"], trial["score"]) for trial in result["trials"]]


def test_a_killed_sweep_goes_on_and_can_be_extended(folder: Path, ray_session: Warden) -> None:
    settings = (*PLAIN, "train.epochs=4", "sweep.max_concurrent=1", "sweep.num_samples=3")
    kill_after(3, *settings, "--name", "cut")
    resumed = run_here("sweep", "job.yaml", *settings, "--resume", "cut", "--json")
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads(resumed.stdout)
    told = [(event["trial"], event["epoch"]) for event in events("cut") if event["event"] == "epoch"]
    assert len(told) == len(set(told)), told
    ends = [event["trial"] for event in events("cut") if event["event"] == "end"]
    assert sorted(ends) == [0, 1, 2]
    assert children(result["run_id"]) == [(f"trial {number}", "FINISHED") for number in range(3)]
    assert rows("select count(*) from tags where key = 'dist_bp.sweep' and value = 'cut'") == [(1 + 3,)]
    points = rows(
        "select count(*) from metrics join tags on tags.run_uuid = metrics.run_uuid "
        "where metrics.key = 'epoch/val_accuracy' "
        "and tags.key = 'mlflow.parentRunId' group by metrics.run_uuid, step having count(*) > 1"
    )
    assert points == []
    whole = run_here("sweep", "job.yaml", *settings, "--name", "whole", "--json")
    assert course(json.loads(whole.stdout)) == course(result)
    elsewhere = [
        f"checkpoint.directory={Path('runs').absolute()}",
        f"data.prepared={Path('.dist_bp/prepared').absolute()}",
    ]
    settings = (*settings, f"tracking.tracking_uri=sqlite:///{Path('mlflow.db').absolute()}", *elsewhere)  # as a job's
    more = run_here("sweep", "job.yaml", *settings, "sweep.num_samples=4", "--resume", "cut", "--json", "--quiet")
    assert more.returncode == 0, more.stderr
    extended = json.loads(more.stdout)
    assert (len(extended["trials"]), extended["ran"]) == (4, 1)
    assert extended["run_id"] == result["run_id"]
    problem = refused("job.yaml", *settings, "sweep.num_samples=4", "train.epochs=3", "--resume", "cut")
    assert "was begun with another configuration (differs in train)" in problem
    assert_goes_on_with_cut(problem)


def assert_goes_on_with_cut(text: str) -> None:
    """The command in the text is of a configuration with which the sweep called cut may go on."""
    sweep, config, *resume = shlex.split(text.split("`")[1])[1:]
    assert (sweep, *resume) == ("sweep", "--resume", "cut")
    own = SweepJob.of(load_config(config))
    assert read_record(own, sweep_folder(own.config, "cut"), 4, resumed=True)


def pages(of: str) -> list[str]:
    """The descriptions of trials that ended with a status."""
    return [
        page
        for (page,) in rows(
            "select value from tags join runs on tags.run_uuid = runs.run_uuid "
            "where key = 'mlflow.note.content' and status = ? and name like 'trial %'",
            of,
        )
    ]


def test_a_failed_trial_is_shown_with_its_cause_and_too_many_end_the_sweep(folder: Path, ray_session: Warden) -> None:
    sgd = "train.optimizer={type: sgd, learning_rate: 0.1}"
    settings = (*PLAIN, "train.epochs=2", GRID, sgd, "sweep.search=grid", "sweep.scheduler=none")
    settings += ("sweep.num_samples=null", "sweep.max_concurrent=1", "sweep.max_failures=1")
    ended = run_here("sweep", "job.yaml", *settings, "--name", "cut", "--json")
    assert ended.returncode == 1
    assert [event["trial"] for event in events("cut") if event["event"] == "end"] == [0, 1, 2]
    assert "error: 2 trials failed, sweep.max_failures is 1; `dist-bp sweep job.yaml " in ended.stderr
    goes_on, _, cause = ended.stderr.partition("sweep.max_failures is 1; ")[2].partition(" bears more: ")
    assert "NaN or infinite at step" in cause
    for page in pages("FAILED"):
        assert "The sweep goes on without it." in page
        assert "--resume" not in page
    resumed = run_here(*shlex.split(goes_on.strip("`"))[1:])
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads(resumed.stdout)
    assert [trial["status"] for trial in result["trials"]] == ["finished", "finished", "failed", "failed"]
    for failed in result["trials"][2:]:
        assert "NaN or infinite at step" in failed["cause"]
        assert f"trial {failed['number']} of 4 failed: {failed['cause']}" in ended.stderr
        assert f"trial {failed['number']} failed: {failed['cause']}" in resumed.stderr
    assert sorted(status for _, status in children(result["run_id"])) == [*["FAILED"] * 2, *["FINISHED"] * 2]


def test_a_trial_after_one_whose_worker_died_has_the_bits_of_a_run_of_its_own(
    folder: Path, ray_session: Warden
) -> None:
    """Trials take over the processes of those before them, but not those of one that failed."""
    layers = "model.layers=[{type: 'tests.runtime.layers:Dying', at: 0}, {type: dense, units: 3}]"
    steps = "sweep.parameters={model.layers.0.at: {type: grid, values: [1000, 8, 1001, 1002]}}"
    plain = (
        "train.epochs=3",
        "failure.max_failures=0",
        "tracking.log_model=false",
        layers,
    )
    settings = (*plain, *ONE_OF_EACH, steps, "sweep.search=grid", "sweep.scheduler=none", "sweep.num_samples=null")
    ended = run_here("sweep", "job.yaml", *settings, "sweep.max_concurrent=1", "--json")
    assert ended.returncode == 0, ended.stderr
    trials = {trial["number"]: trial for trial in json.loads(ended.stdout)["trials"]}
    assert [trials[number]["status"] for number in range(4)] == ["finished", "failed", "finished", "finished"]
    assert "died: its process ended or was killed" in trials[1]["cause"]
    alone = run_here(
        "train", "job.yaml", *plain, "scaling.num_workers=0", "sweep=null", "model.layers.0.at=1000", "--json"
    )
    models = [load(Path("runs", trials[number]["run_id"], "model"), for_resuming=False) for number in (0, 2, 3)]
    models.append(load(Path(json.loads(alone.stdout)["model"]), for_resuming=False))
    first, *others = [model.parameters for model in models]
    for parameters in others:
        for name, array in first.items():
            np.testing.assert_array_equal(parameters[name], array)


def test_a_population_copies_weights(folder: Path, ray_session: Warden) -> None:
    pbt = "sweep.scheduler={type: pbt, perturbation_interval: 2, quantile_fraction: 0.5}"
    space = "sweep.parameters={train.optimizer.learning_rate: {type: choice, values: [1e-6, 1e-2]}}"
    settings = (*PLAIN, pbt, space, "sweep.search=random", "sweep.num_samples=2", "seed=3", "train.epochs=6")
    settings += (f"scaling.cpus_per_worker={local_cpus()}",)  # one at a time
    ended = run_here("sweep", "job.yaml", *settings, "--name", "cut", "--json")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    changed = [event for event in events("cut") if event["event"] == "trial"][2:]
    assert changed, "no trial has copied another"
    stores = [open_store(Path("runs", trial["run_id"])) for trial in result["trials"]]
    first, second = (found.checkpoint.history[0] for store in stores if (found := store.latest()))
    assert first == second  # the copied state remembers where it was trained


def test_interrupted_within_an_epoch_it_saves_what_it_has(folder: Path) -> None:
    slow = "model.layers.0={type: 'tests.runtime.layers:Slow', seconds: 1.0}"
    arguments = ["sweep", "job.yaml", slow, "sweep.parameters={seed: {type: grid, values: [1, 2]}}", "--name", "cut"]
    arguments += ["sweep.search=grid", "sweep.num_samples=null", "sweep.max_concurrent=1", "checkpoint.every_steps=1"]
    arguments += ["train.batch_size=2", "train.group_size=1", *ONE_OF_EACH]  # an epoch takes 45 s
    with Forked(*arguments) as process:
        deadline = time.monotonic() + 100
        while not list(Path("runs").glob("*/checkpoints/step-*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        _, said = process.communicate(60)
    assert process.returncode == 130, said
    assert time.monotonic() - started < 30
    typed = shlex.join(word for word in arguments if word not in ("--name", "cut"))
    assert f"go on with `dist-bp {typed} --resume cut`" in said
    assert {status for (status,) in rows("select status from runs")} == {"KILLED"}
    (page,) = pages("KILLED")
    assert_goes_on_with_cut(page.partition("\n\n")[2])
    assert [event for event in events("cut") if event["event"] == "epoch"] == []
    trial = open_store(next(Path("runs").glob("*/checkpoints"))).latest()
    assert trial
    assert 0 < trial.checkpoint.step_in_epoch < 45


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("sweep.metric=val_f1",), "unknown monitor 'val_f1'"),
        (("sweep=null",), "the configuration has no sweep section"),
        (("--resume", "none"), "there is no sweep in"),
        (("--resume", ""), "--resume: must be made of letters, digits"),
        (("--name", "../other"), "--name: must be made of letters, digits, '.', '_' and '-', got '../other'"),
        (
            ("sweep.parameters={model.layers.1.units: {type: choice, values: [3, 4]}}",),
            "sweep.parameters.model.layers.1.units: the value 4: cross_entropy over 3 classes needs 3 units",
        ),
        (
            (
                *("sweep.scheduler=pbt", "sweep.search=random", "train.optimizer={type: sgd, learning_rate: 0.1}"),
                "sweep.parameters={train.optimizer.momentum: {type: choice, values: [0.0, 0.9]}}",
            ),
            "train.optimizer.momentum: the value 0.9: pbt copies the optimizer's state, which has other parts",
        ),
        (("--resume", "a", "--name", "b"), "--name is for a new sweep"),
        (("sweep.conditions=[nowhere:small]",), "there is no module 'nowhere'"),
        (
            ("train.batch_size=64", "sweep.parameters={scaling.cpus_per_worker: {type: choice, values: [1, 64]}}"),
            "a trial with scaling.cpus_per_worker=64 cannot run: the job needs 128 CPUs",
        ),
    ],
)
def test_wrong_input_is_one_line(folder: Path, arguments: tuple[str, ...], problem: str) -> None:
    assert problem in refused("job.yaml", *arguments)
    assert rows("select * from runs") == []
