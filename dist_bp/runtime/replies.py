"""What Ray says of an actor: its answer to a call, or what has become of it."""

from concurrent.futures import Future
from typing import Any

from dist_bp.ps.doorbell import Peer
from dist_bp.runtime.failures import ProcessDied


def answer_of(reply: Any, peer: Peer) -> Any:
    """The answer of an actor, with Ray's exceptions turned into ours. It waits: for within a call of the cluster."""
    import ray

    try:
        return ray.get(reply)
    except ray.exceptions.RayError as error:
        raise translated(error, peer) from None


def lives(actor: Any) -> bool:
    """Whether an actor has begun, and not ended yet. It waits: for within a call of the cluster."""
    from ray._private.state import actors

    state: str = actors(actor._actor_id.hex()).get("State", "DEAD")
    return state == "ALIVE"


def settle(reply: Future[Any], result: Future[Any], peer: Peer) -> None:
    """Copies Ray's answer, with Ray's exceptions turned into ours."""
    error = reply.exception()
    if error is None:
        result.set_result(reply.result())
    else:
        result.set_exception(translated(error, peer))


def translated(error: BaseException, peer: Peer) -> BaseException:
    """What an exception of Ray means for the run; those of the process itself are as it raised them."""
    from ray.exceptions import (
        ActorUnschedulableError,
        NodeDiedError,
        ObjectLostError,
        OutOfMemoryError,
        RayActorError,
        RayTaskError,
    )

    if isinstance(error, RayTaskError):
        cause = error.cause if isinstance(error.cause, Exception) else error
        cause.add_note(str(error))  # the traceback where it was raised
        return cause
    if isinstance(error, RayActorError | OutOfMemoryError):
        return ProcessDied("died: its process ended or was killed", peer)
    if isinstance(error, ObjectLostError | NodeDiedError):
        return ProcessDied("died: its node is gone, and with it what it has answered", peer)
    if isinstance(error, ActorUnschedulableError):
        return ProcessDied("has no place any more: its node is gone", peer)
    return error
