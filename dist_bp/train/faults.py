"""What a run does about something that went wrong: decided from what is known alone, so that it can be tested as a
table. Acting on it is left to the loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dist_bp.config.run import FailureConfig
from dist_bp.messages import plural

LOWER = 0.5
"""What each rollback multiplies the learning rate by."""

FaultKind = Literal["non_finite", "lost", "broken"]
Remedy = Literal["skip", "rollback", "replace", "restart"]
LOSSES: Mapping[FaultKind, Remedy] = {"lost": "replace", "broken": "restart"}
"""What is done about processes that are lost."""


@dataclass(frozen=True)
class Fault:
    """What went wrong at a step, counted from 1, whose update was not made: a NaN or infinity, on which worker, and in
    the gradient of which parameter first, where that is known; or a `worker` that was lost; or what has become of a
    process, of a worker perhaps, without which the others cannot go on."""

    kind: FaultKind
    step: int
    what: str
    worker: int | None = None
    parameter: str | None = None

    def __str__(self) -> str:
        if self.kind == "lost":
            return f"worker {self.worker} was lost at step {self.step}: {self.what}"
        if self.kind == "broken":
            return f"{self.what}, at step {self.step}"
        worker = f" on worker {self.worker}" if self.worker is not None else ""
        parameter = f", first in the gradient of {self.parameter}" if self.parameter else ""
        return f"{self.what} at step {self.step}{worker}{parameter}"


@dataclass(frozen=True)
class Recovery:
    """A fault and what was done about it: the step after which the run went on, how many steps were to be made again,
    and the seconds that it took. At a restart these steps are the least: nobody is left to ask what had been made in
    the lease that was cut short."""

    fault: Fault
    remedy: Remedy
    after: int
    redone: int
    seconds: float

    def __str__(self) -> str:
        if self.remedy == "skip":
            return f"{self.fault}: that update is skipped"
        if self.remedy == "replace":
            return f"{self.fault}: others compute its share until another process works in its place"
        again = f"{plural(self.redone, 'step')} to be made again"
        if self.remedy == "restart" and not self.redone:
            return f"{self.fault}: processes formed anew go on from there"
        if self.remedy == "restart":
            return f"{self.fault}: back to step {self.after} with processes formed anew, at least {again}"
        return f"{self.fault}: back to step {self.after} with {LOWER:g} times the learning rate, {again}"


@dataclass(frozen=True)
class Standing:
    """What is decided by: the settings, what the run has recovered from, and the step of its newest checkpoint."""

    settings: FailureConfig
    recoveries: Sequence[Recovery] = ()
    checkpoint: int | None = None


@dataclass(frozen=True)
class Stop:
    """The run ends: `why`, where the fault alone does not say it; with a checkpoint if where it stands is worth one."""

    why: str = ""
    saves: bool = False


def decide(standing: Standing, fault: Fault) -> Remedy | Stop:
    """What is to be done about a fault."""
    policy, most = standing.settings.non_finite, standing.settings.max_failures
    lost, too_many = fault.kind in LOSSES, len(standing.recoveries) >= most
    if too_many and (lost or policy != "stop"):
        return Stop(f"more failures than failure.max_failures ({most})", saves=lost or policy == "skip")
    if lost:
        return LOSSES[fault.kind]
    if policy == "stop":
        return Stop()
    if policy == "skip":
        return policy
    if standing.checkpoint is None:
        return Stop("no checkpoint to go back to")
    if any(_same(recovery.fault, fault) for recovery in standing.recoveries):
        return Stop("the same again, though with a lower learning rate")
    return policy


def lowered(recoveries: Sequence[Recovery]) -> float:
    """What the learning rate is multiplied by after them."""
    return LOWER ** sum(recovery.remedy == "rollback" for recovery in recoveries)


def _same(one: Fault, other: Fault) -> bool:
    return (one.kind, one.step) == (other.kind, other.step)
