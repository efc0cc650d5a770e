"""`dist-bp plan`: a prediction for many nodes from what this machine measures."""

import json
import re
import signal
import threading
from itertools import pairwise
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest

from dist_bp.cli.plan import bytes_a_second, steps_to
from dist_bp.control_group import local_cpus
from dist_bp.errors import TrainingFailed, UserError
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.probe import ExchangeCosts
from dist_bp.train.calibrate import Halved, of_rows
from dist_bp.train.rehearsal import Rehearsal
from dist_bp.train.setup import PreparedJob
from tests.cli.test_train import folder
from tests.commands import run_here
from tests.forks import Forked

__all__ = ["folder"]


@pytest.mark.parametrize(("nic", "rate"), [("10Gb", 1.25e9), ("2.5Gbit/s", 3.125e8), ("100 Mbps", 1.25e7)])
def test_rates_of_network_cards(nic: str, rate: float) -> None:
    assert bytes_a_second(nic) == rate


@pytest.mark.parametrize("nic", ["10GB", "ten", "0Gb", "10", "-1Gb", ""])
def test_what_is_no_rate(nic: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"--nic: {nic!r} is no rate of a network card")):
        bytes_a_second(nic)


def test_powers_of_two_and_the_number_asked_for() -> None:
    assert steps_to(1) == [1]
    assert steps_to(12) == [1, 2, 4, 8, 12]
    assert steps_to(256) == [1, 2, 4, 8, 16, 32, 64, 128, 256]


@pytest.mark.usefixtures("folder", "ray_session")
@pytest.mark.parametrize(("servers", "compression"), [("auto", "none"), ("2", "fp16")])
def test_a_plan_is_measured_here(servers: str, compression: str) -> None:
    settings = [f"parameter_server.compression={compression}", f"scaling.servers_per_node={servers}"]
    ended = run_here("plan", "job.yaml", "--nodes", "6", "--nic", "25Gb", "--json", *settings)
    assert ended.returncode == 0, ended.stderr
    assert ("a node has 2 workers that are servers, too;" in ended.stderr) == (servers == "auto")
    assert ("and each server" in ended.stderr) == (servers != "auto")
    lines = ended.stdout.splitlines()
    assert len(lines) == 1, ended.stdout
    found = json.loads(lines[0])
    assert found["costs"]["update"] > 0
    assert found["costs"]["together"] == 2
    assert "two nodes of 1 worker on this machine: an exchange takes " in ended.stderr
    assert "measured is the line of 1 node; the others follow from what is said above" in ended.stderr
    assert (found["costs"]["encode"] > 0) == (compression != "none")
    way = "one round, in which each" if compression == "none" else "two, in which each"
    assert f"sums are exchanged in {way} updates " in ended.stderr
    assert found["costs"]["exchange"]["round"] > 0
    assert [prediction["nodes"] for prediction in found["predictions"]] == [1, 2, 4, 6]
    one, *_, six = found["predictions"]
    assert one["wire_bytes"] == 0
    assert six["batch"] == 6 * one["batch"]
    check_figures(found["predictions"], one_round=compression == "none")
    nbytes = 4 * (4 * 8 + 8 + 8 * 3 + 3)
    assert six["wire_bytes"] >= 5 * nbytes if compression == "none" else six["wire_bytes"] < 2 * 5 * nbytes / 6 * 1.01
    assert "nodes" in ended.stderr
    assert "efficiency" in ended.stderr


def check_figures(predictions: list[dict[str, float]], one_round: bool) -> None:
    """What holds whatever was measured, also where other work was in the way."""
    one = predictions[0]
    assert one["exchange"] == one["reduce"] == 0
    for found in predictions:
        parts = [found[part] for part in ("compute", "signal", "reduce", "exchange", "update")]
        assert min(parts) >= 0
        assert found["step"] == pytest.approx(sum(parts))
        assert found["samples_per_second"] == pytest.approx(found["batch"] / found["step"])
        ideal = found["nodes"] * one["samples_per_second"]
        assert found["efficiency"] == pytest.approx(found["samples_per_second"] / ideal)
    assert all(less["exchange"] < more["exchange"] for less, more in pairwise(predictions))
    if one_round:  # else each node updates a smaller part
        assert all(less["efficiency"] >= more["efficiency"] for less, more in pairwise(predictions[1:]))


@pytest.mark.parametrize("half", [0.5e-3, 1e-3, 1.5e-3, 2e-3, 3e-3])
def test_the_parts_of_a_gradient_make_the_one_that_was_measured(half: float) -> None:
    compute, row = of_rows(2e-3, 64, half, 32)
    assert compute >= 0
    assert row >= 0
    assert compute + 64 * row == pytest.approx(2e-3)


WORDS = [
    *("data.source={type: lines, path: t.txt}", "data.preprocess=[{type: tokenize}]", "scaling.num_workers=1"),
    "model.layers=[{type: embedding, size: 16000}, {type: text_cnn, filters: 2, widths: [1]}, {type: dense, units: 2}]",
]
"""A job whose table is large enough for gradients by rows."""


def gone(job: PreparedJob, cluster: Cluster, pool: Pool, by_rows: bool = True) -> Rehearsal:
    """A gradient takes 2 ms and 0.1 ms a sample, and 0.5 ms in all by rows; two nodes fail."""
    if isinstance(cluster, Halved):
        raise TrainingFailed("worker 1 died:\nkilled by signal 9")
    seconds = 5e-4 if by_rows and job.layout.by_rows else 2e-3 + 1e-4 * job.config.train.batch_size
    return Rehearsal([2 * seconds], seconds, seconds, seconds / 4, [1.0], {"worker": 2**20})


@pytest.fixture
def no_parties(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange between servers is said, not measured: its processes take seconds to start."""
    costs = ExchangeCosts(1e-4, 1e-5, 1e-9)
    monkeypatch.setattr("dist_bp.train.calibrate.measure_exchange", lambda *_: costs)


@pytest.fixture
def texts(folder: Path) -> None:
    lines = [f"{('minus', 'plus')[row % 2]} w{row % 20} w{row % 3}" for row in range(120)]
    (folder / "t.txt").write_text("\n".join(lines))


@pytest.mark.usefixtures("texts", "ray_session", "no_parties")
def test_more_nodes_follow_from_gradients_that_are_not_by_rows_and_two_that_fail_end_no_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dist_bp.train.calibrate.rehearse", gone)
    ended = run_here("plan", "job.yaml", "--nodes", "2", "--json", *WORDS, "scaling.servers_per_node=auto")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    costs, (one, two) = found["costs"], found["predictions"]
    assert (costs["compute"], costs["compute_row"]) == (pytest.approx(2e-3), pytest.approx(1e-4))
    assert one["compute"] == 5e-4
    assert two["compute"] == pytest.approx(3.6e-3)
    assert two["update"] == pytest.approx(3.6e-3 / 4 / 2, rel=0.3)  # and an addition
    assert (
        "two nodes were not measured, nor what an exchange takes within a job: worker 1 died: killed by signal 9\n"
        "measured is the line of 1 node; the others follow from what is said above\n"
    ) in ended.stderr


@pytest.mark.usefixtures("folder", "ray_session", "no_parties")
@pytest.mark.parametrize(
    ("growth", "told"), [("weak", "are the lines of 1 and 2 nodes"), ("strong", "is the line of 1 ")]
)
def test_which_lines_are_measurements(growth: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dist_bp.train.calibrate.rehearse", lambda job, _, pool, **__: gone(job, Mock(), pool))
    ended = run_here("plan", "job.yaml", "--nodes", "2", "--scaling", growth, "scaling.num_workers=1")
    assert f"measured {told}" in ended.stdout, ended.stderr


@pytest.mark.usefixtures("folder", "ray_session", "no_parties")
def test_a_machine_without_the_cpus_for_two_nodes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dist_bp.train.calibrate.rehearse", gone)
    cpus = local_cpus()
    ended = run_here("plan", "job.yaml", "scaling.num_workers=1", f"scaling.cpus_per_worker={cpus}")
    assert f"an exchange takes within a job: {2 * cpus} CPUs are needed and {cpus} there" in ended.stdout, ended.stderr


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["parameter_server={mode: ssp, max_staleness: 1}"], "parameter_server.mode: only sync can be predicted, not"),
        (["scaling.num_workers=40", "train.batch_size=80", "train.group_size=1"], "the job needs 40 CPUs"),
        (["--nodes", "4", "--scaling", "strong"], "16 samples in groups of 8 make 2 groups, too few for 4"),
        (["train.batch_size=2", "train.group_size=1"], "train.batch_size: half of 2 leaves some of 2 workers without"),
    ],
    ids=["mode", "processors", "nodes", "batch"],
)
def test_what_a_plan_refuses_before_it_starts_anything(arguments: list[str], problem: str) -> None:
    refused = run_here("plan", "job.yaml", *arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"error: {problem}")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.usefixtures("folder")
def test_a_plan_that_is_interrupted_says_so_and_leaves_no_process() -> None:
    with Forked("plan", "job.yaml") as command:
        deadline = threading.Timer(60, command.kill)
        deadline.start()
        try:
            while not command.stderr.readline().startswith("measuring steps of 16"):
                assert command.poll() is None
            below = psutil.Process(command.pid).children(recursive=True)
            command.send_signal(signal.SIGINT)
            _, said = command.communicate(60)
        finally:
            deadline.cancel()
    assert command.returncode == 130, said
    assert said.splitlines()[-1] == "error: interrupted while measuring: there is no prediction"
    assert psutil.wait_procs(below, timeout=10)[1] == []
