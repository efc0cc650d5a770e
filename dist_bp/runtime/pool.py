"""Ray actors that outlive a run: those of one trial of a sweep serve the next one, which need not start any."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dist_bp.runtime.calls import CALLER, RayLost

RELEASE_SECONDS = 5.0


@dataclass(frozen=True)
class Post:
    """What an actor is started as: its role, the CPUs it reserves, and its place.

    `place` is the id of a node, or the index of a bundle of this process's placement group.
    """

    role: str
    cpus: int
    place: str | int


class Pool:
    """Idle actors by post. They hold nothing of a former run; `close` ends them, as does the end of this process.

    `take` and `keep` are for within a call of the cluster, which gives them a deadline.
    """

    def __init__(self) -> None:
        self._idle: defaultdict[Post, list[Any]] = defaultdict(list)

    @property
    def idle(self) -> list[tuple[Post, Any]]:
        """Those that it has."""
        return [(post, actor) for post, actors in self._idle.items() for actor in actors]

    def take(self, posts: Sequence[Post]) -> list[Any]:
        """For each post an actor that has just answered; None where there is none.

        The others are ended: they hold CPUs that whoever asks may need.
        """
        taken = [self._idle[post].pop() if self._idle[post] else None for post in posts]
        self._end_idle()
        answering = _released([actor for actor in taken if actor])
        return [actor if actor in answering else None for actor in taken]

    def keep(self, actors: Iterable[tuple[Post, Any]]) -> None:
        """Takes actors back, once they have let go of their run."""
        posts = {actor: post for post, actor in actors}
        for actor in _released(list(posts)):
            self._idle[posts[actor]].append(actor)

    def close(self) -> None:
        """Where Ray does not answer, which ends the actors, they go with this process."""
        if self._idle:
            with suppress(RayLost):
                CALLER.call("idle processes were ended", self._end_idle, RELEASE_SECONDS, Future())

    def _end_idle(self) -> None:
        import ray

        for actors in self._idle.values():
            for actor in actors:
                ray.kill(actor)
        self._idle.clear()


def _released(actors: Sequence[Any]) -> list[Any]:
    """Those that live and have let go of whatever run they belonged to; the others are ended."""
    import ray

    replies = [actor.release.remote() for actor in actors]
    if replies:
        ray.wait(replies, num_returns=len(replies), timeout=RELEASE_SECONDS)
    answering = []
    for actor, reply in zip(actors, replies, strict=True):
        try:
            ray.get(reply, timeout=0)
            answering.append(actor)
        except Exception:  # it has died, it hangs, or what it had to close failed
            ray.kill(actor)
    return answering
