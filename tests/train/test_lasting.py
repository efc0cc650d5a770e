"""Whole jobs that lose processes without which the others cannot go on: what comes out is what would have come out."""

import itertools
import random
import re
import time
from pathlib import Path
from typing import Any

import pytest

from dist_bp.checkpoint import CheckpointStore
from dist_bp.errors import CapacityError, CheckpointError, Interrupted, TrainingFailed
from dist_bp.ps.doorbell import Peer, PeerLost
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.failures import ProcessDied
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.names import RECOVERY
from dist_bp.train import due
from dist_bp.train.job import run_job
from dist_bp.train.recoveries import RECOVERED
from tests.conftest import JobMaker
from tests.train.looking import Notes, StopAfter, page, points, recorded
from tests.train.unsteady import DIED, Open, Outcome, Unsteady, check_points, job_of, outcome, values

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def known() -> list[Outcome]:
    return []


@pytest.fixture
def whole(known: list[Outcome], make_job: JobMaker, lose: Open) -> Outcome:
    """What a job in `sync` comes to that loses nobody, whenever it is saved. Jobs of the test run in threads, too."""
    lose()
    if not known:
        known.append(outcome(run_job(job_of(make_job))))
    return known[0]


@pytest.mark.parametrize("mode", [{}, {"mode": "local", "local_steps": 2}], ids=["sync", "local"])
def test_what_is_made_again_has_the_same_bits_and_one_point(
    make_job: JobMaker, lose: Open, mode: dict[str, Any]
) -> None:
    """Lost in drawn leases and evaluations: of an epoch, of the test split, in between."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")  # shown where the test fails
    drawn = random.Random(seed)
    failure = {"max_failures": 100, "snapshot_seconds": 1e-9}
    job = job_of(make_job, parameter_server=mode, failure=failure)
    lose()
    whole, notes = run_job(job), Notes()
    leases = {("train", number) for number in drawn.sample(range(2, 9), 3)}
    lose(*leases, ("validation", drawn.randrange(1, 5)), ("test", 1), ("read", drawn.randrange(3, 8)))
    result = run_job(job, observer=notes)
    assert result.parameters_sha256 == whole.parameters_sha256
    assert result.metrics == whole.metrics
    assert values(result) == values(whole)
    check_points(result)
    assert [one.remedy for one in result.recoveries] == ["restart"] * 6
    told = [line for line in notes.lines if "formed anew" in line]
    assert len(told) == 6
    for one in result.recoveries:
        assert any(line.startswith(f"{one} (") for line in told)
        assert f"{RECOVERED}{one.fault.step}_restart" in recorded(result.run_id).data.tags
    assert "- went on after 6 failures: " in page(result)


def test_each_of_several_recoveries_at_a_step_has_a_tag_of_its_own(make_job: JobMaker, lose: Open) -> None:
    lose(("train", 1), ("train", 2))
    result = run_job(job_of(make_job))
    assert [one.fault.step for one in result.recoveries] == [1, 1]
    found = {name: tag for name, tag in recorded(result.run_id).data.tags.items() if name.startswith(RECOVERED)}
    assert found.keys() == {f"{RECOVERED}1_restart", f"{RECOVERED}1_restart_2"}
    for name in ("seconds", "redone_steps"):
        assert [step for step, _ in points(result, f"{RECOVERY}{name}")] == [1, 1]


@pytest.mark.parametrize("where", ["start", "train"])
@pytest.mark.parametrize(
    ("error", "worker"),
    [
        (PeerLost("worker 1", "closed the connection"), 1),
        (ProcessDied("died: its process ended or was killed", Peer("worker", 0)), 0),
        (ProcessDied("did not answer for 60 s", Peer("server", 1)), None),
    ],
)
def test_the_worker_is_named_whose_loss_it_is(
    where: str, error: Exception, worker: int | None, make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, losses = getattr(Unsteady, where), [error]

    def losing(*arguments: Any) -> Any:
        if losses:
            raise losses.pop()
        return method(*arguments)

    monkeypatch.setattr(Unsteady, where, losing)
    lose()
    result = run_job(job_of(make_job))
    (recovery,) = result.as_dict()["recoveries"]
    assert (recovery["fault"]["worker"], recovery["fault"]["what"]) == (worker, str(error))


@pytest.mark.parametrize("where", ["start", "train"])
def test_a_loss_is_told_before_processes_are_formed_anew(
    where: str, make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, reform = Notes(), Unsteady.reform

    def later(runtime: Unsteady, snapshot: Any) -> None:
        notes.note("they begin")
        reform(runtime, snapshot)
        monkeypatch.setattr(Unsteady, "formed", "1 worker on 1 node")

    monkeypatch.setattr(Unsteady, "reform", later)
    lose((where, 1))
    (one,) = run_job(job_of(make_job), observer=notes).recoveries
    told = [line for line in notes.lines if DIED in line or line == "they begin" or "on 1 node" in line]
    assert told[:2] == [f"{DIED}, at step 1: forming the processes anew", "they begin"]
    assert told[2:] == [
        *(["1 worker on 1 node from step 1 on"] if where == "train" else []),
        f"{one} ({one.seconds:.2f} s)",
    ]


def test_without_a_later_point_it_begins_again(make_job: JobMaker, lose: Open, whole: Outcome) -> None:
    job = job_of(make_job, checkpoint={"every_epochs": None, "every_steps": 9})
    lose(("train", 2))
    result = run_job(job)
    assert [(one.after, one.redone) for one in result.recoveries] == [(0, 1)]
    assert result.parameters_sha256 == whole.parameters_sha256


def test_losses_of_a_run_that_is_resumed(
    make_job: JobMaker, lose: Open, whole: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(make_job, failure={"max_failures": 9})
    with pytest.raises(Interrupted):
        run_job(job, observer=StopAfter(1, monkeypatch), run_id=None)
    lose(("start", 1), ("train", 1), ("reform", 2))
    result = run_job(job, resume="auto")
    assert result.parameters_sha256 == whole.parameters_sha256
    assert [one.after for one in result.recoveries] == [8, 8, 8]
    assert [step for step, _ in points(result, f"{RECOVERY}seconds")] == [9, 9, 9]
    check_points(result)


def test_a_crash_loop_ends_with_the_cause(make_job: JobMaker, lose: Open) -> None:
    lose(("start", 0), ("reform", 0))
    started = time.monotonic()
    with pytest.raises(TrainingFailed) as error:
        run_job(job_of(make_job))
    assert time.monotonic() - started < 20
    assert str(error.value).startswith(f"{DIED}, at step 1; more failures than failure.max_failures (3); before that ")
    with opened_store("sqlite:///mlflow.db") as client:
        (failed,) = client.search_runs(["1"])
    assert failed.info.status == "FAILED"
    assert {name for name in failed.data.tags if name.startswith(RECOVERED)} == {
        f"{RECOVERED}1_restart{number}" for number in ("", "_2", "_3")
    }
    for name in ("seconds", "redone_steps"):
        assert [step for step, _ in points(failed.info.run_id, f"{RECOVERY}{name}")] == [1, 1, 1]
    lose(("train", 3), ("reform", 0))
    with pytest.raises(TrainingFailed, match=r"failure.max_failures \(3\).* Ended after step \d+: checkpoint saved"):
        run_job(job_of(make_job))
    lose(("train", 3))
    with pytest.raises(
        TrainingFailed, match=re.escape("more failures than failure.max_failures (0). Ended after step ")
    ):
        run_job(job_of(make_job, failure={"max_failures": 0}))


def test_it_waits_for_room_and_says_so(make_job: JobMaker, lose: Open) -> None:
    notes = Notes()
    lose(("train", 3), short=3)
    result = run_job(job_of(make_job), observer=notes)
    assert result.steps == 32
    assert [line for line in notes.lines if "room" in line] == [
        "waiting for room for the processes: the job needs 2 CPUs, this Ray has 1"
    ]
    lose(("train", 3), short=10**9)
    with pytest.raises(TrainingFailed, match=r"this Ray has 1. Ended after step \d+: checkpoint saved"):
        run_job(job_of(make_job, ray={"start_seconds": 0.1}))


def test_it_waits_for_room_as_it_begins_too(make_job: JobMaker, lose: Open, whole: Outcome) -> None:
    notes = Notes()
    lose(("start", 1), short=3)
    result = run_job(job_of(make_job), observer=notes)
    assert (result.parameters_sha256, len(result.recoveries)) == (whole.parameters_sha256, 1)
    assert [line for line in notes.lines if "room" in line] == [
        "waiting for room for the processes: the job needs 2 CPUs, this Ray has 1"
    ]
    lose(("start", 1), short=10**9)
    with pytest.raises(TrainingFailed, match=rf"^{DIED}, at step 1; the job needs 2 CPUs, this Ray has 1$"):
        run_job(job_of(make_job, ray={"start_seconds": 0.1}))


@pytest.mark.parametrize("where", ["start", "train"])
def test_room_that_comes_and_goes_ends_the_run_in_time(
    where: str, make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there whenever it has been waited for, and gone as soon as processes begin."""
    looks, tries = itertools.count(1), itertools.count(1)

    def reform(*_: object) -> None:
        assert next(tries) < 20
        raise CapacityError("node7 is gone")

    monkeypatch.setattr(Unsteady, "reform", reform)
    monkeypatch.setattr(Unsteady, "lacking", property(lambda _: None if next(looks) % 3 == 2 else "too few CPUs"))
    lose((where, 1))
    with pytest.raises(TrainingFailed, match=r"node7 is gone|too few CPUs"):
        run_job(job_of(make_job, ray={"start_seconds": 0.1}))


def test_more_workers_that_cannot_begin_cost_but_time(make_job: JobMaker, lose: Open, whole: Outcome) -> None:
    job, notes = job_of(make_job), Notes()
    lose(("look", 2), ("look", 3))
    result = run_job(job, observer=notes)
    assert (result.parameters_sha256, result.recoveries) == (whole.parameters_sha256, ())
    assert values(result) == whole.values
    assert [line for line in notes.lines if "more workers" in line] == [
        "no more workers, though there seemed to be room for them: node7 has no data.prepared"
    ] * 2


@pytest.mark.parametrize("where", ["may_grow", "grow"])
def test_a_fault_of_our_own_does_not_look_like_a_lack_of_room(
    where: str, make_job: JobMaker, lose: Open, whole: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, notes = job_of(make_job), Notes()
    may_grow = Unsteady.may_grow.fget
    assert may_grow

    def wrong(*_: object) -> bool:
        raise KeyError("node7")

    if where == "grow":
        monkeypatch.setattr(Unsteady, "grow", wrong)
    else:
        monkeypatch.setattr(Unsteady, "may_grow", property(lambda runtime: may_grow(runtime) and wrong()))
    lose(("look", 2))
    result = run_job(job, observer=notes)
    assert result.parameters_sha256 == whole.parameters_sha256
    assert [line for line in notes.lines if "more workers" in line] == [
        "no more workers, by a fault of dist_bp or of code that it runs: KeyError: 'node7'"
    ]


@pytest.mark.parametrize(
    ("loses", "stands"), [(("train", 3), 2), (("look", 3), 3)], ids=["after a loss", "after a growth that failed"]
)
def test_a_fault_of_our_own_while_processes_are_formed_anew_loses_no_step(
    loses: tuple[str, int], stands: int, make_job: JobMaker, lose: Open, whole: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reform(*_: object) -> None:
        raise KeyError("node7")

    def grow(*_: object) -> None:
        raise CapacityError("node7 has no data.prepared")

    job = job_of(make_job, checkpoint={"every_epochs": None}, failure={"snapshot_seconds": 1e-9})
    lose(loses)
    with monkeypatch.context() as patched:
        patched.setattr(due, "LEASE_SECONDS", 0.0)
        patched.setattr(Unsteady, "reform", reform)
        patched.setattr(Unsteady, "grow", grow)
        with pytest.raises(KeyError, match="node7"):
            run_job(job)
    notes = Notes()
    assert run_job(job, resume="auto", observer=notes).parameters_sha256 == whole.parameters_sha256
    assert [line[-10:] for line in notes.lines if line.startswith("going on from ")] == [f"-{stands:09}"]


def no_room(*_: object, **__: object) -> Path:
    raise CheckpointError("the disk is full")


@pytest.mark.parametrize("full", [False, True])
def test_a_fault_of_our_own_in_a_lease_loses_no_step_and_is_told(
    full: bool, make_job: JobMaker, lose: Open, whole: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(make_job, checkpoint={"every_epochs": None}, failure={"snapshot_seconds": 1e-9})
    train = Unsteady.train

    def wrong(runtime: Unsteady, first: int, *lease: Any) -> Any:
        if first >= 16:
            raise KeyError("node7")
        return train(runtime, first, *lease)

    with monkeypatch.context() as patched:
        patched.setattr(due, "LEASE_SECONDS", 0.0)
        patched.setattr(Unsteady, "train", wrong)
        if full:
            patched.setattr(CheckpointStore, "save", no_room)
        told = "node7; nor could a checkpoint be written: the disk is full" if full else "node7"
        with pytest.raises(KeyError, match=told):
            run_job(job)
    if not full:
        notes = Notes()
        assert run_job(job, resume="auto", observer=notes).parameters_sha256 == whole.parameters_sha256
        assert [line[-10:] for line in notes.lines if line.startswith("going on from ")] == ["-000000016"]


def test_the_first_cause_is_told_where_the_disk_is_full_too(
    make_job: JobMaker, lose: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheckpointStore, "save", no_room)
    lose(("train", 3))
    failing = {"max_failures": 0, "snapshot_seconds": 1e-9}
    with pytest.raises(TrainingFailed, match=rf"^{DIED}, at step .*more failures than .*; the disk is full"):
        run_job(job_of(make_job, checkpoint={"every_epochs": None}, failure=failing))
    lose(("train", 3), short=10**9)
    waiting = {"ray": {"start_seconds": 0.1}, "failure": {"snapshot_seconds": 1e-9}}
    with pytest.raises(TrainingFailed, match=rf"^{DIED}.*this Ray has 1; the disk is full"):
        run_job(job_of(make_job, checkpoint={"every_epochs": None}, **waiting))


@pytest.mark.parametrize("gone", [0, 1], ids=["other nodes cannot do it", "the room goes again"])
def test_processes_that_cannot_be_formed_anew_end_the_run_with_a_checkpoint(
    gone: int, make_job: JobMaker, lose: Open, whole: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reform(runtime: Unsteady, *_: object) -> None:
        runtime.short = gone * 10**9
        raise CapacityError("node7 has no data.prepared")

    job = job_of(make_job, checkpoint={"every_epochs": None}, ray={"start_seconds": 0.1})
    lose(("train", 3))
    told = "this Ray has 1" if gone else "node7 has no data.prepared"
    with monkeypatch.context() as patched:
        patched.setattr(Unsteady, "reform", reform)
        with pytest.raises(TrainingFailed, match=rf"{told}. Ended after step \d+: checkpoint saved; go on with "):
            run_job(job)
    assert run_job(job, resume="auto").parameters_sha256 == whole.parameters_sha256


def test_what_is_in_memory_is_saved_where_ray_takes_the_rest_with_it(
    make_job: JobMaker, lose: Open, whole: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on several nodes, whose memory can be read by way of Ray alone."""
    job = job_of(make_job, checkpoint={"every_epochs": None}, failure={"snapshot_seconds": 1e-9})
    train = Unsteady.train

    def lost(*_: Any) -> Any:
        raise RayLost("Ray's GCS has crashed")

    with monkeypatch.context() as patched:

        def until_ray_is_lost(runtime: Unsteady, first: int, *lease: Any) -> Any:
            if first >= 16:
                patched.setattr(Unsteady, "read", lost)
                lost()
            return train(runtime, first, *lease)

        patched.setattr(Unsteady, "train", until_ray_is_lost)
        with pytest.raises(RayLost, match=r"has crashed. Ended after step 16: checkpoint saved; go on with "):
            run_job(job)
    assert run_job(job, resume="auto").parameters_sha256 == whole.parameters_sha256


@pytest.mark.parametrize("moment", ["lacking", "_planned", "write"])
def test_ray_that_is_lost_while_processes_are_formed_anew_leaves_where_the_run_stands(
    moment: str, make_job: JobMaker, lose: Open, whole: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is asked for room, when the old processes have let go of everything, and before the new ones have any."""
    monkeypatch.setattr(due, "LEASE_SECONDS", 0.0)
    job = job_of(make_job, checkpoint={"every_epochs": None}, failure={"snapshot_seconds": 1e-9})

    def lost(*_: Any) -> Any:
        raise RayLost("Ray did not answer for 30 s")

    def lacking(_: Unsteady) -> None:
        patched.setattr(Unsteady, moment, lost)

    lose(("train", 12))
    with monkeypatch.context() as patched:
        patched.setattr(Unsteady, "lacking", property(lost if moment == "lacking" else lacking))
        with pytest.raises(RayLost, match=r"for 30 s. Ended after step 11: checkpoint saved; go on with "):
            run_job(job)
    resumed = run_job(job, resume="auto")
    assert resumed.parameters_sha256 == whole.parameters_sha256
    assert values(resumed) == whole.values


def test_a_skipped_step_is_not_found_again(make_job: JobMaker, lose: Open) -> None:
    """Where a process is lost after it."""
    layers = [{"type": "dense", "units": 8}, {"type": "tests.runtime.layers:NotFinite", "at": [4], "group": -1}]
    job = job_of(make_job, model={"layers": layers}, failure={"non_finite": "skip"})
    lose(("train", 4))
    result = run_job(job)
    assert sorted(one.remedy for one in result.recoveries) == ["restart", "skip"]
