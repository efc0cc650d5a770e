"""The processes of a run that begins, or goes on: brought up, in spite of some that are lost meanwhile."""

import time

from dist_bp.errors import TrainingFailed, UserError
from dist_bp.messages import one_line
from dist_bp.ps.arena import Snapshot
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.failures import LOST
from dist_bp.train.faults import Fault, Recovery, Standing, Stop, decide
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.observer import Observer
from dist_bp.train.provenance import Provenance
from dist_bp.train.recoveries import advice, failure, told, waiting
from dist_bp.train.state import RunState
from dist_bp.train.waiting import form_once_there_is_room


def bring_up(state: RunState, runtime: Runtime, snapshot: Snapshot, observer: Observer, interrupt: Interrupt) -> None:
    """Starts the processes with the version that the run begins with, anew where some are lost meanwhile.

    Raises TrainingFailed where that happens more often than the configuration bears, or there is no room for others,
    Interrupted where a signal has come.
    """
    fault: Fault | None = None
    while True:
        interrupt.check()
        started = time.perf_counter()
        try:
            if fault:
                _begin_anew(fault, runtime, snapshot, observer, interrupt)
            else:
                runtime.start(snapshot)
            state.provenance = Provenance.of(state.job, runtime)
            return
        except LOST as error:
            fault = Fault("broken", state.step + 1, str(error))
        decision = decide(Standing(state.job.config.failure, state.recoveries, state.saved), fault)
        if isinstance(decision, Stop):
            raise TrainingFailed(f"{failure(fault, decision, state.recoveries)}. {advice(fault, decision)}")
        recovery = Recovery(fault, decision, state.step, 0, time.perf_counter() - started)
        state.recoveries.append(recovery)
        observer.warn(told(recovery))


def _begin_anew(fault: Fault, runtime: Runtime, snapshot: Snapshot, observer: Observer, interrupt: Interrupt) -> None:
    def tell(lacking: str) -> None:
        observer.warn(waiting(lacking))

    try:
        form_once_there_is_room(runtime, lambda: runtime.reform(snapshot), tell, interrupt.check)
    except UserError as error:
        raise TrainingFailed(f"{fault}; {one_line(error)}") from error
