"""The Ray actors of a run, by the peers that they are: started, called, and let go of, within deadlines."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from dist_bp.processes import Known
from dist_bp.ps.bringup import Call
from dist_bp.ps.doorbell import Peer
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.hosts import started
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.pool import Pool, Post
from dist_bp.runtime.replies import answer_of, lives, settle
from dist_bp.runtime.spares import Spare

T = TypeVar("T")


class Actors(Mapping[Peer, Any]):
    """Those that are there. Idle ones of the `pool` are used again, and go back there where they are let go of; a call
    of Ray may take so many `seconds`, those of parameter_server.timeout_seconds. Raises RayLost where one takes
    longer."""

    def __init__(self, cluster: Cluster, pool: Pool, seconds: float) -> None:
        self._cluster = cluster
        self._pool = pool
        self._seconds = seconds
        self._actors: dict[Peer, Any] = {}
        self._posts: dict[Peer, Post] = {}
        """Of those that have reserved what their posts say: one that has been a spare has not."""

    def __getitem__(self, peer: Peer) -> Any:
        return self._actors[peer]

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._actors)

    def __len__(self) -> int:
        return len(self._actors)

    def make(self, plan: RunPlan, posts: Mapping[Peer, Post]) -> None:
        """Starts one for each peer, or takes an idle one."""

        def make() -> None:
            idle = self._pool.take(list(posts.values()))
            for (peer, post), actor in zip(posts.items(), idle, strict=True):
                self._put(peer, actor or started(post), post)
                self._actors[peer].assign.remote(plan, peer)

        self._cluster.call("actors were made", make)

    def start_again(self, plan: RunPlan, peer: Peer, post: Post) -> Future[Known]:
        """Starts another in the place of one that is lost; it is then ready to join."""

        def start() -> Future[Known]:
            self._put(peer, actor := started(post), post)
            actor.assign.remote(plan, peer)
            reply: Future[Known] = actor.prepare.remote().future()
            return reply

        return _answer(self._call(f"{peer} was started again", start), peer)

    def start_spare(self, plan: RunPlan, peer: Peer, post: Post) -> Spare:
        """Starts one that is made ready beside the training, as that of a peer would be; it reserves no CPUs."""
        actor = self._cluster.call("a spare was made", lambda: started(replace(post, cpus=0)))

        def prepare() -> Future[Known]:
            actor.assign.remote(plan, peer)
            reply: Future[Known] = actor.prepare_aside.remote().future()
            return reply

        ready = self._call("a spare was made ready", prepare)
        return Spare(actor, _answer(ready, peer))

    def stand_in(self, peer: Peer, spare: Spare) -> Future[Known]:
        """The spare takes the place of a peer that is lost."""
        self._put(peer, spare.actor, None)
        return spare.ready

    def end_spare(self, spare: Spare) -> None:
        import ray

        self._cluster.call("a spare was ended", lambda: ray.kill(spare.actor))

    def submit(self, asked: Call[T]) -> Future[T]:
        peer, remote = asked.peer, self._actors[asked.peer].call.remote
        reply: Future[T] = self._call(f"{peer} was called", lambda: remote(asked.method, *asked.arguments).future())
        return _answer(reply, peer)

    def pids(self, peers: Iterable[Peer]) -> dict[Peer, int]:
        """Their processes."""

        def pids() -> dict[Peer, int]:
            replies = {peer: self._actors[peer].pid.remote() for peer in peers}
            return {peer: answer_of(reply, peer) for peer, reply in replies.items()}

        return self._call("the actors' processes were asked for", pids)

    def reserved(self) -> Counter[str]:
        """How many CPUs of each node those hold that live, idle ones among them; a bundle's are not counted.

        One that has ended holds none any more, and one that waits for its CPUs none yet.
        """
        posts = [*self._pool.idle, *((post, self._actors[peer]) for peer, post in self._posts.items())]
        there = [(post.place, post.cpus, actor) for post, actor in posts if post.cpus and isinstance(post.place, str)]

        def reserved() -> Counter[str]:
            held: Counter[str] = Counter()
            for node, cpus, actor in there:
                held[node] += cpus if lives(actor) else 0
            return held

        return self._cluster.call("it was asked who lives", reserved)

    def let_go(self, ended: Iterable[Peer] = ()) -> None:
        """Has all let go of the run and keeps those that do; first these are `ended`, in their order, and then those
        that have reserved nothing."""

        def let_go() -> None:
            self._end([*ended, *(self._actors.keys() - self._posts.keys())])
            self._pool.keep((self._posts[peer], actor) for peer, actor in self._actors.items())

        self._cluster.call("actors were released", let_go)
        self.forget()

    def end(self) -> None:
        """Ends all."""
        self._cluster.call("actors were ended", lambda: self._end(list(self._actors)))

    def forget(self) -> None:
        """They are no concern of the run any more."""
        self._actors.clear()
        self._posts.clear()

    def _call(self, doing: str, function: Callable[[], T]) -> T:
        return self._cluster.call(doing, function, self._seconds, "parameter_server.timeout_seconds")

    def _put(self, peer: Peer, actor: Any, post: Post | None) -> None:
        self._actors[peer] = actor
        self._posts.pop(peer, None)
        if post:
            self._posts[peer] = post

    def _end(self, peers: Iterable[Peer]) -> None:
        import ray

        for peer in peers:
            if peer in self._actors:
                ray.kill(self._actors.pop(peer))


def _answer(reply: Future[T], peer: Peer) -> Future[T]:
    """What an actor answers, with Ray's exceptions turned into ours."""
    result: Future[T] = Future()
    reply.add_done_callback(lambda future: settle(future, result, peer))
    return result
