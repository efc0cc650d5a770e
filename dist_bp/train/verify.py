"""Whether a run can be repeated, bit for bit: its digests are compared, and steps of it are trained again."""

import hashlib
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dist_bp import build
from dist_bp.checkpoint import Checkpoint, CheckpointStore
from dist_bp.config import JobConfig
from dist_bp.config.trust import check_trusted, named_code
from dist_bp.errors import UserError
from dist_bp.media.decoding import Decoding
from dist_bp.ps.arena import Snapshot
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.runtime.warden import Warden
from dist_bp.serve.splits import where_it_lies
from dist_bp.track.null import NullTracker
from dist_bp.train.agreement import Agreement, agreement
from dist_bp.train.checks import check_memory, check_step
from dist_bp.train.evidence import Evidence, nodes_shown
from dist_bp.train.job import open_runtime
from dist_bp.train.listeners import Watched
from dist_bp.train.observer import Observer
from dist_bp.train.provenance import Difference, Provenance
from dist_bp.train.saving import Saver
from dist_bp.train.setup import PreparedJob, prepare_job
from dist_bp.train.state import RunState
from dist_bp.train.steering import Unsteered
from dist_bp.train.stretch import Leg
from dist_bp.train.trainer import Trainer


@dataclass(frozen=True)
class Verdict:
    """On the steps of a leg. `found` is what training them again led to, None where that was not begun, as what it
    begins with is another. `differences` are those of what was recorded and what is now; `missing` says what cannot be
    compared.
    """

    leg: Leg
    differences: list[Difference]
    missing: list[str]
    found: Agreement | None = None
    parameters_sha256: str | None = None
    recorded_sha256: str | None = None

    @property
    def identical(self) -> bool:
        return self.found is not None and self.found.whole


def verify(leg: Leg, moved: JobConfig | None, trust_code: bool, on_ray: bool, observer: Observer) -> Verdict:
    """Trains the steps of a leg again, in this process or on Ray, and compares; nothing is written to the run.

    `moved` says where the data is now, if not where it was. Raises CheckpointError where a checkpoint cannot be read,
    UserError where the run promises no bits or nothing can be compared, UntrustedCode where it names code of the
    user's own and `trust_code` does not say that it may run.
    """
    evidence = Evidence.read(leg)
    check_trusted(named_code(evidence.config), trust_code, "the run's configuration")
    evidence.check_provable()
    missing = list(evidence.missing())
    observer.phase("preparing the data")
    data = moved.data if moved else where_it_lies(evidence.config, evidence.witness.data_digest).data
    config = evidence.config.model_copy(update={"data": data, "sweep": None})
    prepared = build.prepare(config, Decoding(observer.decoded))
    if changed := list(evidence.changed(prepared.digest)):
        return Verdict(leg, changed, missing)
    job = prepare_job(config, observer)
    evidence.check_way(RunState.restored(job, evidence.witness)[0])
    if changed := list(evidence.reordered(job)):
        return Verdict(leg, changed, missing)
    check_memory(job.layout.nbytes)
    check_step(job)
    return _trained(evidence, job, missing, on_ray, observer)


def _trained(evidence: Evidence, job: PreparedJob, missing: list[str], on_ray: bool, observer: Observer) -> Verdict:
    leg, witness, provenance = evidence.leg, evidence.witness, evidence.provenance
    state, snapshot = _begin(job, evidence.before, leg.stop)
    observer.phase("starting the processes")
    with _runtime(job, provenance, on_ray) as runtime:
        runtime.start(snapshot)
        now = Provenance.of(job, runtime)
        trained = Trainer(state, runtime, _Unsaved(), Unsteered(), [Watched(observer)]).run()
    again = state.checkpoint(trained.snapshot)
    differences = provenance.differences(now) if provenance else []
    digests = _sha256(job, again), _sha256(job, witness) if leg.at_end else None
    return Verdict(leg, differences, missing, agreement(witness, again, leg.start), *digests)


def _sha256(job: PreparedJob, checkpoint: Checkpoint) -> str:
    """Of the parameters, as training tells it."""
    return hashlib.sha256(job.model.layout.flat(checkpoint.parameters, job.model.dtype).tobytes()).hexdigest()


@contextmanager
def _runtime(job: PreparedJob, provenance: Provenance | None, on_ray: bool) -> Iterator[Runtime]:
    """As many workers and servers as the run had. As threads, those of other nodes are behind the same connections.

    Raises UserError where the nodes of Ray hold other numbers of them, which sums in another order.
    """
    placement = provenance.placement if provenance else ()
    if not on_ray:
        secret = secrets.token_bytes(32)
        plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secret, placement)
        with ThreadRuntime(plan, job.metrics) as runtime:
            yield runtime
        return
    with Warden() as warden, warden.temporary_files(), open_runtime(job, warden) as runtime:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray's own would end the process in an abort
        if placement and (here := runtime.plan.placement) != placement:
            raise UserError(
                f"the run had {nodes_shown(placement)}, here there are {nodes_shown(here)}, which add up in another "
                "order: verify without --ray"
            )
        yield runtime


def _begin(job: PreparedJob, before: Checkpoint | None, stop: int) -> tuple[RunState, Snapshot]:
    """A run that ends after the step `stop` and nowhere else, where it stands at the checkpoint or initialisation."""
    rules = job.config.train.stop.model_copy(
        update={"max_steps": stop, "max_seconds": None, "patience": None, "target": None, "restore_best": False}
    )
    train, failure = job.config.train.model_copy(update={"stop": rules}), job.config.failure
    if failure.non_finite == "rollback":  # no run went back within the leg
        failure = failure.model_copy(update={"non_finite": "stop"})
    until = replace(job, config=job.config.model_copy(update={"train": train, "failure": failure}))
    return RunState.restored(until, before) if before else (RunState(until), job.initial)


class _Unsaved(Saver):
    """Of training that leaves nothing behind."""

    def __init__(self) -> None:
        super().__init__(CheckpointStore(Path(os.devnull)), NullTracker(), None)

    def save(self, checkpoint: Checkpoint, monitored: float | None) -> None:
        pass
