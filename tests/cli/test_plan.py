"""`dist-bp plan`: a prediction for many nodes from what this machine measures."""

import json
import re
import signal
import threading

import psutil
import pytest

from dist_bp.cli.plan import bytes_a_second, steps_to
from dist_bp.errors import UserError
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
    (line,) = ended.stdout.splitlines()
    found = json.loads(line)
    assert found["costs"]["update"] > 0
    assert found["costs"]["together"] == 2
    assert "two nodes of 1 worker on this machine: an exchange takes " in ended.stderr
    assert (found["costs"]["encode"] > 0) == (compression != "none")
    way = "one round, in which each" if compression == "none" else "two, in which each"
    assert f"sums are exchanged in {way} updates " in ended.stderr
    assert found["costs"]["exchange"]["round"] > 0
    assert [prediction["nodes"] for prediction in found["predictions"]] == [1, 2, 4, 6]
    one, *_, six = found["predictions"]
    assert one["wire_bytes"] == 0
    assert six["batch"] == 6 * one["batch"]
    assert six["efficiency"] > 0  # of measurements that other work may have been in the way of
    nbytes = 4 * (4 * 8 + 8 + 8 * 3 + 3)
    assert six["wire_bytes"] >= 5 * nbytes if compression == "none" else six["wire_bytes"] < 2 * 5 * nbytes / 6 * 1.01
    assert "nodes" in ended.stderr
    assert "efficiency" in ended.stderr


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
