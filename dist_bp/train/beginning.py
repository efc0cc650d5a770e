"""The processes of a run that begins, or goes on: brought up, in spite of some that are lost meanwhile."""

import time
from collections.abc import Callable
from functools import partial

from dist_bp.errors import Interrupted, TrainingFailed, UserError
from dist_bp.messages import one_line
from dist_bp.ps.arena import Snapshot
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.failures import LOST
from dist_bp.train.faults import Fault, Recovery, Standing, Stop, decide
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.observer import Observer
from dist_bp.train.provenance import Provenance
from dist_bp.train.recoveries import advice, begun, broken, failure, told, waiting
from dist_bp.train.state import RunState
from dist_bp.train.waiting import form_once_there_is_room


def bring_up(state: RunState, runtime: Runtime, snapshot: Snapshot, observer: Observer, interrupt: Interrupt) -> None:
    """Starts the processes with the version that the run begins with, anew where some are lost meanwhile.

    Raises TrainingFailed where that happens more often than the configuration bears, or there is no room for others,
    Interrupted where a signal has come.
    """
    runtime.ending = interrupt.coming
    fault = _formed(state, runtime, interrupt, lambda: runtime.start(snapshot))
    while fault:
        decision = decide(Standing(state.job.config.failure, state.recoveries, state.saved), fault)
        if isinstance(decision, Stop):
            raise TrainingFailed(f"{failure(fault, decision, state.recoveries)}. {advice(fault, decision)}")
        observer.warn(begun(fault))
        started = time.perf_counter()
        again = partial(_begin_anew, fault, runtime, snapshot, observer, interrupt)
        lost = _formed(state, runtime, interrupt, again)
        recovery = Recovery(fault, decision, state.step, 0, time.perf_counter() - started)
        state.recoveries.append(recovery)
        observer.warn(told(recovery))
        fault = lost


def _formed(state: RunState, runtime: Runtime, interrupt: Interrupt, form: Callable[[], None]) -> Fault | None:
    """Forms the processes, unless a signal has come; returns what has become of one that is lost meanwhile."""
    interrupt.check()
    try:
        form()
        state.provenance = Provenance.of(state.job, runtime)
    except LOST as error:
        return broken(error, state.step)
    except Interrupted:
        interrupt.check()
        raise
    return None


def _begin_anew(fault: Fault, runtime: Runtime, snapshot: Snapshot, observer: Observer, interrupt: Interrupt) -> None:
    def tell(lacking: str) -> None:
        observer.warn(waiting(lacking))

    try:
        form_once_there_is_room(runtime, lambda: runtime.reform(snapshot), tell, interrupt.check)
    except UserError as error:
        raise TrainingFailed(f"{fault}; {one_line(error)}") from error
