"""What a run shows of its processes: the trace of every step, and the straggler."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dist_bp.errors import ConfigError
from dist_bp.ps.lease import ServerReport, WorkerReport
from dist_bp.runtime.base import LeaseReport
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train.job import run_job
from dist_bp.train.meter import EpochMeter
from dist_bp.train.observer import Observer
from dist_bp.train.setup import prepare_job
from dist_bp.train.straggler import StragglerWatch, straggler
from dist_bp.train.trace import TraceFile
from tests.conftest import JobMaker
from tests.database import rows
from tests.runtime.test_ray_runtime import plan_of

pytestmark = pytest.mark.usefixtures("database")


def test_every_step_of_every_process_is_in_the_trace(make_job, tmp_path: Path) -> None:
    job = make_job(train={"epochs": 2})
    result = run_job(job, trace=tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())
    spans = [event for event in events if event.get("ph") == "X"]
    for process, names in ((1, ("computing", "pushing", "waiting")), (2, ("collecting", "updating", "publishing"))):
        for name in names:
            found = [span for span in spans if span["pid"] == process and span["name"] == name]
            assert len(found) == result.steps
            assert all(span["dur"] >= 0 for span in found)
            assert [span["ts"] for span in found] == sorted(span["ts"] for span in found)
    assert sorted(span["args"]["step"] for span in spans if span["name"] == "computing") == list(
        range(1, result.steps + 1)
    )


def test_where_the_time_of_a_step_goes_is_in_the_runs_metrics(make_job) -> None:
    result = run_job(make_job(train={"epochs": 1}))
    metrics = rows("select key, value from metrics where run_uuid = ?", result.run_id)
    found = {key: value for key, value in metrics if key.startswith("system/time/")}
    worker = [found[f"system/time/worker_0_{what}_ms"] for what in ("computing", "pushing", "waiting")]
    server = [found[f"system/time/server_0_{what}_ms"] for what in ("collecting", "updating", "publishing")]
    assert min(worker + server) > 0
    assert sum(worker) * result.steps <= 1e3 * result.seconds


def test_the_clocks_of_several_nodes_are_brought_together(tmp_path: Path) -> None:
    moments = np.array([[1.0, 2.0, 3.0, 4.0]])
    workers = [WorkerReport(rank, np.zeros(1, np.int64), moments - rank, {}, clock=100.0 + rank) for rank in range(2)]
    empty = np.zeros(0)
    servers = [
        ServerReport(node, empty, empty, empty, empty, empty, empty, moments - node, None, clock=100.0 + node)
        for node in range(2)
    ]
    with TraceFile(tmp_path / "trace.json") as trace:
        trace.add(0, LeaseReport(empty, empty, empty, empty, empty, workers, servers, {}, None))
    spans = [event for event in json.loads((tmp_path / "trace.json").read_text()) if event.get("ph") == "X"]
    assert [span["ts"] for span in spans] == [101e6, 102e6, 103e6] * 4
    assert {(span["pid"], span["tid"]) for span in spans} == {(1, 0), (1, 1), (2, 0), (2, 1)}


def test_a_trace_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--trace: cannot write .*No such file or directory"):
        TraceFile(tmp_path / "nowhere" / "trace.json")


def test_a_disk_that_fills_ends_the_trace_and_not_the_run(make_job) -> None:
    warnings: list[str] = []

    class Watcher(Observer):
        def warn(self, text: str) -> None:
            warnings.append(text)

    result = run_job(make_job(train={"epochs": 2}), observer=Watcher(), trace=Path("/dev/full"))
    assert result.status == "FINISHED"
    assert any("--trace cannot be written (No space left on device): it ends at step" in line for line in warnings)


def reports(*seconds: float) -> list[WorkerReport]:
    return [
        WorkerReport(rank, np.zeros(1, np.int64), np.array([[1.0, 1.0 + taken, 3.0, 4.0]]), {})
        for rank, taken in enumerate(seconds)
    ]


def test_a_worker_above_one_and_a_half_times_the_median_of_the_others_is_a_straggler() -> None:
    assert straggler([reports(0.1, 0.1, 0.16)]) == (2, pytest.approx(0.16), pytest.approx(0.1))
    assert straggler([reports(0.1, 0.2)]) == (1, pytest.approx(0.2), pytest.approx(0.1))


@pytest.mark.parametrize("seconds", [(0.1, 0.1, 0.149), (0.5,), (0.1, 0.1), (0.1, 0.149)])
def test_ordinary_differences_are_none(seconds: tuple[float, ...]) -> None:
    assert straggler([reports(*seconds)]) is None


def test_a_straggler_is_named_once_and_not_for_a_moment() -> None:
    watch = StragglerWatch()
    assert watch.add(reports(0.1, 0.5), 4.0) is None
    assert (
        watch.add(reports(0.1, 0.1), 4.0)
        == "worker 1 is a straggler: it computes 300.0 ms a share of a step, the median is 100.0 ms"
    )
    assert watch.add(reports(0.1, 0.5), 6.0) is None
    assert (
        watch.add(reports(0.3, 0.1), 6.0)
        == "worker 0 is a straggler: it computes 300.0 ms a share of a step, the median is 100.0 ms"
    )


def test_one_that_computes_the_share_of_another_too_is_no_straggler(make_job: JobMaker) -> None:
    job = prepare_job(make_job(scaling={"num_workers": 3}))
    with ThreadRuntime(replace(plan_of(job), processes=(2,)), job.metrics) as runtime:
        runtime.start(job.initial)
        workers = runtime.train(0, 2, 1.0, 10.0).workers
    assert [report.shares for report in workers] == [2, 1]
    of_both, *others = reports(0.2, 0.1, 0.1)
    assert straggler([[replace(of_both, shares=2), *others]]) is None
    assert straggler([[of_both, *others]]) == (0, pytest.approx(0.2), pytest.approx(0.1))
    of_one = reports(0.1, 0.2, 0.1)[1]
    assert straggler([[replace(of_both, shares=2), of_one]]) == (1, pytest.approx(0.2), pytest.approx(0.1))


def test_many_workers_are_averaged_in_the_metrics_and_few_are_named() -> None:
    def names(workers: int) -> dict[str, float]:
        seconds = {rank: np.arange(3.0) + 3 * rank for rank in range(workers)}
        return EpochMeter(
            {}, seconds=1.0, worker_seconds=seconds, server_seconds={0: np.ones(3)}, updated_steps=1
        ).timings()

    assert len(names(4)) == 1 + 3 * (4 + 1)
    many = names(64)
    assert [name for name in many if "worker" in name] == [
        "system/time/workers_computing_ms",
        "system/time/workers_pushing_ms",
        "system/time/workers_waiting_ms",
        "system/time/slowest_worker_computing_ms",
    ]
    assert many["system/time/workers_computing_ms"] == pytest.approx(1e3 * np.arange(0, 192, 3).mean())
    assert many["system/time/slowest_worker_computing_ms"] == 189e3
