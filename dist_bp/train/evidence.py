"""What the checkpoints of a run tell of some of its steps, and whether that can be proved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from dist_bp import build
from dist_bp.checkpoint import Checkpoint, load
from dist_bp.checkpoint.format import CONFIG
from dist_bp.config import JobConfig, stored_config
from dist_bp.errors import CheckpointError, UserError
from dist_bp.messages import plural
from dist_bp.ps.modes import MODES
from dist_bp.train.provenance import SHOWN, Difference, Provenance, text_digest
from dist_bp.train.setup import PreparedJob
from dist_bp.train.state import RunState
from dist_bp.train.stretch import Leg
from dist_bp.train.trail import Trail


@dataclass(frozen=True)
class Evidence:
    """Of a leg the checkpoint at its beginning, None where that is the initialisation, and the one that tells of its
    steps, with the configuration, provenance and trail that it has."""

    leg: Leg
    before: Checkpoint | None
    witness: Checkpoint
    config: JobConfig
    provenance: Provenance | None
    trail: Trail

    @classmethod
    def read(cls, leg: Leg) -> Self:
        """Raises CheckpointError where a checkpoint is damaged or not what it should be."""
        witness = load(leg.witness)
        config = stored_config(witness.config, leg.witness / CONFIG)
        try:
            provenance, trail = Provenance.read(witness.loop_state), Trail.of(witness.progress, witness.step)
            if provenance and sum(provenance.placement) != max(config.scaling.num_workers, 1):
                raise ValueError(f"it has {nodes_shown(provenance.placement)}, not scaling.num_workers")
        except ValueError as error:
            raise CheckpointError(f"{leg.witness} does not tell how it came about: {error}") from None
        return cls(leg, load(leg.before) if leg.before else None, witness, config, provenance, trail)

    def check_provable(self) -> None:
        """Raises UserError where the run promises no bits, or not from a checkpoint on."""
        settings = self.config.parameter_server
        if not build.build_mode(self.config).exact:
            exact = " or ".join(name for name, mode in MODES.items() if mode.exact)
            raise UserError(f"parameter_server.mode {settings.mode} promises no bits: verify is for {exact}")

    def check_way(self, state: RunState) -> None:
        """Raises UserError where the run, which stands at the witness, did not go from the beginning of the leg to its
        end in one way."""
        leg = self.leg
        found = [
            (change.step, f"{change.key} was changed from {change.before} to {change.now} at step {change.step}")
            for change in state.course.changes
            if not change.harmless
        ]
        found += [
            (one.after, f"the run went back to step {one.after}, with a lower learning rate")
            for one in state.recoveries
            if one.remedy == "rollback"
        ]
        for step, what in found:
            if leg.start < step < leg.stop:
                raise UserError(f"{what}, and no checkpoint of that step is kept: {leg} cannot be trained in one go")

    def missing(self) -> Iterator[str]:
        """What cannot be compared. Raises UserError where that is all."""
        leg = self.leg
        losses = len(self.trail.losses_of(leg.start + 1, leg.stop))
        if not (leg.at_end or losses):
            raise UserError(f"no checkpoint tells of {leg}: give --steps that end at a checkpoint")
        if self.provenance is None:
            yield "the checkpoint was written without digests of code, configuration and order, and its environment"
        if not losses:
            yield "the checkpoint was written without the losses of its steps"
        elif losses < leg.stop - leg.start:
            yield f"losses are kept of the last {losses:,} of these steps"
        if not leg.at_end:
            yield f"no checkpoint of step {leg.stop} is kept: losses are compared, and no parameters"

    def changed(self, data_digest: str) -> Iterator[Difference]:
        """What the checkpoints say of configuration and data, and is not so."""
        now = text_digest(self.witness.config)
        if self.provenance and self.provenance.configuration != now:
            yield Difference("configuration", self.provenance.configuration[:SHOWN], now[:SHOWN])
        digests = [one.data_digest for one in (self.witness, self.before) if one]
        for recorded in digests:
            if recorded != data_digest:
                yield Difference("data", recorded[:SHOWN], data_digest[:SHOWN])
                break

    def reordered(self, job: PreparedJob) -> Iterator[Difference]:
        """The first epoch of which the order of samples is another."""
        for epoch in range(self.leg.start // job.steps_per_epoch, -(-self.leg.stop // job.steps_per_epoch)):
            recorded, now = self.trail.orders.get(epoch), job.batches.digest(epoch)
            if recorded and recorded != now:
                yield Difference(f"order of epoch {epoch + 1}", recorded.hex()[:SHOWN], now.hex()[:SHOWN])
                break


def nodes_shown(placement: Sequence[int]) -> str:
    """The workers of each node, in words."""
    return f"{' + '.join(map(str, placement))} workers on {plural(len(placement), 'node')}"
