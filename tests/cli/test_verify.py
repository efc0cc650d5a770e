"""`dist-bp verify`: runs that repeat to the bit, and all that may keep one from it."""

import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.checkpoint import Checkpoint, load
from dist_bp.checkpoint.format import write_directory
from dist_bp.checkpoint.manifest import Manifest
from dist_bp.config import JobConfig
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train import job as job_module
from dist_bp.train.job import run_job
from dist_bp.train.result import Result
from tests.commands import run_here
from tests.conftest import JobMaker
from tests.database import rows

pytestmark = pytest.mark.usefixtures("database")

MOMENTUM = {"type": "sgd", "learning_rate": 0.05, "momentum": 0.9}
WILD = {"type": "adam", "learning_rate": 2.0}
STEPS = {"every_steps": 5, "every_epochs": None, "keep": 20}
ENDS = (0, 5, 10, 15, 20, 24)


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Workers are threads of this process, on as many nodes as there are numbers of them."""

    def place(*placement: int) -> None:
        def open_runtime(job: Any, warden: Any, pool: Any = None) -> ThreadRuntime:
            folder = job.prepared.directory.resolve()
            return ThreadRuntime(
                RunPlan(job.config, folder, job.total_steps, secrets.token_bytes(32), placement), job.metrics
            )

        monkeypatch.setattr(job_module, "open_runtime", open_runtime)

    return place


def verified(run: str, *options: str, code: int = 0) -> tuple[dict[str, Any], str]:
    """What `verify --json` says, and what it says to people."""
    ended = run_here("verify", run, *options, "--json")
    assert ended.returncode == code, ended.stderr
    return json.loads(ended.stdout), ended.stderr


def refused(run: str, *options: str) -> str:
    ended = run_here("verify", run, *options)
    assert ended.returncode == 2, ended.stdout
    assert ended.stdout == ""
    return ended.stderr


def checkpoint_of(result: Result, step: int) -> Path:
    return result.run_folder / f"checkpoints/step-{step:09d}"


def rewrite(path: Path, change: Callable[[Checkpoint], dict[str, Any]]) -> None:
    """The checkpoint with another content, and a manifest to match."""
    checkpoint, manifest = load(path), Manifest.read(path)
    shutil.rmtree(path)
    path.mkdir()
    write_directory(path, replace(checkpoint, **change(checkpoint)), sequence=manifest.sequence)


@pytest.mark.parametrize(
    ("sections", "workers", "ends"),
    [
        ({"train": {"epochs": 3}}, 1, ENDS),
        ({"model": {"dtype": "float64"}, "train": {"epochs": 3, "optimizer": MOMENTUM, "clip_norm": 0.5}}, 2, ENDS),
        ({"parameter_server": {"mode": "local", "local_steps": 3}, "train": {"epochs": 3}}, 2, (0, 6, 12, 15, 21, 24)),
        (
            {"train": {"epochs": 3, "optimizer": WILD, "schedule": {"type": "plateau", "patience": 1, "factor": 0.5}}},
            1,
            ENDS,
        ),
    ],
    ids=["adam", "float64 momentum", "local", "plateau"],
)
def test_a_run_repeats_to_the_bit(
    sections: dict[str, Any],
    workers: int,
    ends: Sequence[int],
    make_job: JobMaker,
    in_threads: Callable[..., None],
) -> None:
    """Checkpoints are of every fifth step, or of the end of the round that it is in."""
    in_threads(workers)
    result = run_job(make_job(scaling={"num_workers": workers}, checkpoint=STEPS, **sections))
    before = contents(result.run_folder)
    found, told = verified(result.run_id, "--from", "0")
    legs = [(start, stop, stop - start) for start, stop in pairwise(ends)]
    assert [(leg["from"], leg["to"], leg["losses"]) for leg in found["legs"]] == legs
    assert found["identical"]
    assert found["legs"][-1]["parameters_sha256"] == found["legs"][-1]["recorded_sha256"]
    assert [leg["differences"] + leg["notes"] for leg in found["legs"]] == [[]] * 5
    start, stop, losses = legs[-1]
    last = f"steps {start + 1} to {stop} +from step-{start:09d}: {losses} losses as recorded; parameters as recorded"
    assert re.search(last, told)
    assert re.search("result +bit-identical", told)
    assert contents(result.run_folder) == before
    assert rows("select count(*) from runs") == [(1,)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_by_default_it_trains_from_the_last_checkpoint_but_one(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 3}))
    legs = verified(result.run_folder.name[:8])[0]["legs"]
    assert [(leg["from"], leg["to"]) for leg in legs] == [(16, 24)]
    legs = verified(f"{result.run_id}/checkpoints/step-000000016")[0]["legs"]
    assert [(leg["from"], leg["to"]) for leg in legs] == [(8, 16)]
    for step in (8, 16):
        shutil.rmtree(checkpoint_of(result, step))
    legs = verified("blobs")[0]["legs"]
    assert [(leg["from"], leg["to"], leg["losses"]) for leg in legs] == [(0, 24, 24)]


def test_steps_that_end_within_checkpoints_are_compared_by_their_losses(make_job: JobMaker) -> None:
    run_job(make_job(train={"epochs": 2}))
    found, told = verified("blobs", "--from", "8", "--steps", "3")
    (leg,) = found["legs"]
    assert (leg["to"], leg["losses"], leg["arrays"], leg["recorded_sha256"]) == (11, 3, False, None)
    assert "note: no checkpoint of step 11 is kept: losses are compared, and no parameters" in told


def test_a_run_on_several_nodes_is_repeated_with_as_many(make_job: JobMaker, in_threads: Callable[..., None]) -> None:
    in_threads(1, 1)
    config = make_job(scaling={"num_workers": 2}, train={"epochs": 2})
    run_job(config)
    assert verified("blobs", "--from", "0")[0]["identical"]
    run_job(make_job(scaling={"num_workers": 2}, train={"epochs": 2}, parameter_server={"compression": "int8"}))
    assert verified("blobs-2")[0]["identical"]


def test_a_changed_parameter_is_named(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 3}))

    def change(checkpoint: Checkpoint) -> dict[str, Any]:
        parameters = {name: array.copy() for name, array in checkpoint.parameters.items()}
        parameters["0.weight"][1, 2] += 0.5
        parameters["4.bias"][:] += 0.5
        return {"parameters": parameters}

    rewrite(checkpoint_of(result, 24), change)
    found, told = verified("blobs", code=1)
    (leg,) = found["legs"]
    assert (leg["loss"], leg["losses"], leg["differences"]) == (None, 8, [])
    assert leg["array"] == {"name": "0.weight", "differing": 1, "elements": 96, "largest": pytest.approx(0.5)}
    assert leg["recorded_sha256"] != leg["parameters_sha256"]
    assert "0.weight differs at 1 of 96 elements, by 0.5 at most" in told
    assert re.search("result +not bit-identical", told)
    assert "note: code, configuration, data, order and environment are as recorded: a checkpoint was changed" in told


def test_the_first_step_that_differs_is_named(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 3}))

    def change(checkpoint: Checkpoint) -> dict[str, Any]:
        losses = checkpoint.progress["trail/losses"].copy()
        losses[-3] += 1.0
        return {"progress": {**checkpoint.progress, "trail/losses": losses}}

    rewrite(checkpoint_of(result, 24), change)
    found, told = verified("blobs", code=1)
    (leg,) = found["legs"]
    assert leg["loss"]["step"] == 22
    assert leg["loss"]["recorded"] == pytest.approx(leg["loss"]["now"] + 1)
    assert leg["array"] is None
    assert "8 losses" not in told
    assert "the loss differs from step 22 on" in told
    rewrite(checkpoint_of(result, 16), lambda one: {"parameters": {name: 2 * x for name, x in one.parameters.items()}})
    (leg,) = verified("blobs", code=1)[0]["legs"]
    assert leg["loss"]["step"] == 17
    assert leg["array"]["name"] == "0.weight"


def test_a_damaged_checkpoint_is_not_compared(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 2}))
    with (checkpoint_of(result, 16) / "model.safetensors").open("r+b") as file:
        file.truncate(100)
    assert "model.safetensors is truncated" in refused("blobs")


def test_another_configuration_is_told_before_any_training(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 2}))
    rewrite(checkpoint_of(result, 16), lambda one: {"config": one.config.replace("seed: 3", "seed: 4")})
    found, told = verified("blobs", code=1)
    (leg,) = found["legs"]
    assert [one["what"] for one in leg["differences"]] == ["configuration", "data"]  # which is split by the seed
    assert (leg["losses"], leg["parameters_sha256"]) == (0, None)
    assert "not trained, as they cannot be the same: configuration and data changed" in told


def test_other_data_is_told_before_any_training(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 2}))
    with np.load("blobs.npz") as arrays:
        inputs, labels = arrays["x"], arrays["y"]
    shutil.copy("blobs.npz", "before.npz")
    inputs[7, 2] += 1
    np.savez("blobs.npz", x=inputs, y=labels)
    found, told = verified("blobs", code=1)
    assert [one["what"] for one in found["legs"][0]["differences"]] == ["data"]
    assert "not trained" in told
    config = Path("moved.yaml")
    content = (checkpoint_of(result, 16) / "config.yaml").read_text()
    config.write_text(content.replace("blobs.npz", "before.npz"))
    assert verified("blobs", "--config", str(config))[0]["identical"]


def test_another_order_is_told_before_any_training(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 3}))

    def change(checkpoint: Checkpoint) -> dict[str, Any]:
        orders = checkpoint.progress["trail/orders"].copy()
        orders[2, 0] ^= 1
        return {"progress": {**checkpoint.progress, "trail/orders": orders}}

    rewrite(checkpoint_of(result, 24), change)
    assert verified(str(checkpoint_of(result, 16)))[0]["identical"]
    found, _ = verified("blobs", code=1)
    assert [one["what"] for one in found["legs"][0]["differences"]] == ["order of epoch 3"]


def test_another_machine_is_told_beside_what_came_of_it(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 2}))

    def change(checkpoint: Checkpoint) -> dict[str, Any]:
        provenance = checkpoint.loop_state["provenance"]
        elsewhere = {**provenance["environment"], "processor": "Another \x1b[2J 3000", "BLAS threads": "8"}
        return {"loop_state": {**checkpoint.loop_state, "provenance": {**provenance, "environment": elsewhere}}}

    rewrite(checkpoint_of(result, 16), change)
    found, told = verified("blobs")
    differences = found["legs"][0]["differences"]
    assert [one["what"] for one in differences] == ["processor", "BLAS threads"]
    assert (differences[1]["recorded"], differences[1]["now"]) == ("8", "1")
    assert r"'Another \x1b[2J 3000'" in told


OWN = """
from dist_bp.nn.layers.activation import Activation


class Scaled(Activation):
    def __init__(self):
        super().__init__("{function}")
"""


def test_code_of_the_users_own_is_compared_and_runs_where_it_is_trusted(
    make_job: JobMaker, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(workplace)
    own = workplace / "verified_layer.py"
    own.write_text(OWN.format(function="tanh"))
    layers = [{"type": "dense", "units": 8}, {"type": "verified_layer:Scaled"}, {"type": "dense", "units": 4}]
    run_job(make_job(model={"layers": layers}, train={"epochs": 2}))
    assert "names code that is not of dist_bp, verified_layer:Scaled: --trust-code" in refused("blobs")
    assert verified("blobs", "--trust-code")[0]["identical"]
    own.write_text(OWN.format(function="relu") + "# longer than it was\n")
    monkeypatch.delitem(sys.modules, "verified_layer")
    found, told = verified("blobs", "--trust-code", code=1)
    (leg,) = found["legs"]
    assert [one["what"] for one in leg["differences"]] == ["verified_layer"]
    assert leg["loss"]["step"] == 9
    assert "not as recorded" in told
    sys.modules.pop("verified_layer", None)


def test_a_checkpoint_from_before_digests_were_kept_is_compared_by_its_parameters(make_job: JobMaker) -> None:
    config = make_job(train={"epochs": 2})
    result = run_job(config)

    def change(checkpoint: Checkpoint) -> dict[str, Any]:
        state = {name: value for name, value in checkpoint.loop_state.items() if name != "provenance"}
        return {"loop_state": state, "progress": {}}

    for step in (8, 16):
        rewrite(checkpoint_of(result, step), change)
    found, told = verified("blobs")
    (leg,) = found["legs"]
    assert (leg["losses"], leg["arrays"], leg["identical"]) == (0, True, True)
    assert "note: the checkpoint was written without digests of code, configuration and order" in told
    assert "note: the checkpoint was written without the losses of its steps" in told
    assert "no checkpoint tells of steps 9 to 10: give --steps that end at a checkpoint" in refused(
        "blobs", "--from", "8", "--steps", "2"
    )
    resumed = run_job(make_job(train={"epochs": 3}), resume="auto")
    assert verified(resumed.run_id)[0]["legs"][0]["losses"] == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "8"], "--from 8: no checkpoint of that step is kept: there are those of 0, 16, 24"),
        (["--from", "24"], "--from 24: no later checkpoint tells of the steps after it: there are those of 0, 16, 24"),
        (["--from", "16", "--steps", "9"], "--steps 9: after step 16 the checkpoints tell of 8 steps"),
    ],
)
def test_steps_that_are_not_kept_are_told_with_those_that_are(
    options: list[str], message: str, make_job: JobMaker
) -> None:
    result = run_job(make_job(train={"epochs": 3}))
    shutil.rmtree(checkpoint_of(result, 8))
    assert refused("blobs", *options) == f"error: {message}\n"
    pruned = str(checkpoint_of(result, 8))
    assert f"{pruned}: no checkpoint of step 8 is kept: there are those of 0, 16, 24" in refused(pruned)


def test_a_mode_without_bits_and_what_is_no_run_are_refused(make_job: JobMaker, workplace: Path) -> None:
    run_job(make_job(train={"epochs": 1}, parameter_server={"mode": "async"}))
    exact = "sync or local or diloco"
    assert refused("blobs") == f"error: parameter_server.mode async promises no bits: verify is for {exact}\n"
    assert "blob is neither a run in runs nor a folder: did you mean 'blobs'?" in refused("blob")
    (workplace / "empty").mkdir()
    assert "empty holds no checkpoint: there is nothing to compare with" in refused("empty")
    assert "model is a saved model: name its run, or a checkpoint of it" in refused("runs/blobs/model")


def test_a_checkpoint_of_another_version_is_told(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 2}))
    manifest = checkpoint_of(result, 16) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": 2', '"version": 1'))
    told = refused("blobs")
    assert "step-000000016/manifest.json has format version 1, this dist_bp reads version 2" in told
    assert "use the dist_bp that wrote it" in told


def pipe(manifest: Path) -> None:
    manifest.unlink()
    os.mkfifo(manifest)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "it is a pipe, not a file": pipe,
    "nested too deeply": lambda manifest: manifest.write_text("[" * 100_000),
    "its content does not match its own digest": lambda manifest: manifest.write_text(
        manifest.read_text().replace('"step": 24', '"step": 23')
    ),
}


def test_an_intact_checkpoint_is_named_where_a_manifest_is_damaged(make_job: JobMaker) -> None:
    """And that one can be used."""
    result = run_job(make_job(train={"epochs": 3}))
    manifest, intact = checkpoint_of(result, 24) / "manifest.json", checkpoint_of(result, 16)
    for damage, spoil in DAMAGES.items():
        content = manifest.read_text()
        spoil(manifest)
        for run in ("blobs", str(manifest.parent)):
            assert re.search(f"manifest.json is damaged.*{damage}", told := refused(run))
            assert f"error: intact is {intact}: use that one instead\n" in told
        manifest.unlink()
        manifest.write_text(content)
    spoil(manifest)
    assert [leg["to"] for leg in verified(str(intact))[0]["legs"]] == [16]


def resumed_with_another_rate(make_job: JobMaker, **checkpoint: Any) -> Result:
    def config(epochs: int, rate: float) -> JobConfig:
        train = {"epochs": epochs, "optimizer": {"type": "adam", "learning_rate": rate}}
        return make_job(train=train, checkpoint=checkpoint)

    run_job(config(2, 0.01))
    return run_job(config(3, 0.02), resume="auto")


def test_settings_that_changed_on_the_way_are_those_of_each_stretch(make_job: JobMaker) -> None:
    result = resumed_with_another_rate(make_job)
    assert [leg["to"] for leg in verified(result.run_id, "--from", "0")[0]["legs"]] == [8, 16, 24]
    shutil.rmtree(checkpoint_of(result, 16))
    assert verified(result.run_id, "--from", "0", "--steps", "8")[0]["identical"]
    told = refused(result.run_id)
    assert "train.epochs was changed from 2 to 3 at step 16" in told
    assert "no checkpoint of that step is kept: steps 9 to 24 cannot be trained in one go" in told


def spoilt(make_job: JobMaker, kind: str, options: dict[str, Any], **sections: Any) -> JobConfig:
    layers = [{"type": "dense", "units": 8, "activation": "tanh"}, {"type": f"tests.runtime.layers:{kind}", **options}]
    return make_job(model={"layers": layers}, **sections)


def test_updates_that_were_skipped_are_skipped_again(make_job: JobMaker) -> None:
    failure = {"non_finite": "skip", "max_failures": 10}
    run_job(spoilt(make_job, "NotFinite", {"at": [3, 9, 10]}, failure=failure, train={"epochs": 2}))
    legs = verified("blobs", "--from", "0", "--trust-code")[0]["legs"]
    assert [(leg["identical"], leg["losses"]) for leg in legs] == [(True, 8), (True, 8)]


def test_a_way_back_is_gone_from_the_checkpoint_that_the_run_went_back_to(make_job: JobMaker) -> None:
    settings = {"checkpoint": {"every_steps": 11, "every_epochs": None}, "failure": {"non_finite": "rollback"}}
    train = {"optimizer": {"type": "sgd", "learning_rate": 3.0}}
    result = run_job(spoilt(make_job, "Fragile", {"limit": 7.0}, train=train, **settings))
    assert [one.after for one in result.recoveries] == [22]
    assert verified("blobs", "--from", "0", "--trust-code")[0]["identical"]
    (went_back_to,) = (result.run_folder / "checkpoints").glob("step-000000022*")
    shutil.rmtree(went_back_to)
    told = refused("blobs", "--trust-code")
    assert "the run went back to step 22, with a lower learning rate, and no checkpoint of that step is kept" in told
