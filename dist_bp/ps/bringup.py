"""How the processes of a run find each other: who is asked what, in which order, whatever carries the questions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from dist_bp.ps.doorbell import Peer
from dist_bp.ps.keeper import Keeper
from dist_bp.ps.member import Member

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Call(Generic[T_co]):
    """A method that a process is asked to call, and its arguments; see `call`."""

    peer: Peer
    method: str
    arguments: tuple[Any, ...]


def call(peer: Peer, method: Callable[Concatenate[Any, P], T], *arguments: P.args, **named: P.kwargs) -> Call[T]:
    """A call of a method of a class; arguments are given by place."""
    if named:
        raise TypeError("a call has arguments by place alone")
    return Call(peer, method.__name__, arguments)


class Ask(Protocol):
    """Makes all calls at once and returns their results in order; raises the root cause of a failure."""

    def __call__(self, calls: Sequence[Call[T]], seconds: float) -> list[T]: ...


@dataclass(frozen=True)
class Crew:
    """Who works on a node, whose network address is `host`. Without `servers` workers are servers, too."""

    keeper: Peer
    workers: tuple[Peer, ...]
    servers: tuple[Peer, ...]
    host: str

    @property
    def members(self) -> tuple[Peer, ...]:
        return (*self.servers, *self.workers)

    @property
    def updaters(self) -> tuple[Peer, ...]:
        return self.servers or self.workers

    @property
    def pairs(self) -> list[tuple[Peer, Peer]]:
        """Who rings whom."""
        if not self.servers:
            return list(combinations(self.workers, 2))
        return [*combinations(self.servers, 2), *product(self.servers, self.workers)]


def bring_up(crews: Sequence[Crew], ask: Ask, seconds: float, silence: float) -> list[bytes]:
    """Brings all together, each step within `seconds`; who has not come by then is told of within `silence` more.

    Returns where those come to who join later, by node.
    """
    addresses = ask([call(crew.keeper, Keeper.listen) for crew in crews], seconds)
    joining: list[Call[None]] = []
    for crew, address in zip(crews, addresses, strict=True):
        joining.append(call(crew.keeper, Keeper.admit, crew.members, crew.pairs, seconds))
        joining += [call(member, Member.join, address, seconds) for member in crew.members]
    ask(joining, seconds + silence)
    if len(crews) > 1:
        _connect(crews, ask, seconds, silence)
    return addresses


def _connect(crews: Sequence[Crew], ask: Ask, seconds: float, silence: float) -> None:
    """Connects each updater with those of the same place on the other nodes."""
    homes = {one: crew.host for crew in crews for one in crew.updaters}
    reached = ask([call(one, Member.listen, host) for one, host in homes.items()], seconds)
    addresses = dict(zip(homes, reached, strict=True))
    lanes = zip(*(crew.updaters for crew in crews), strict=False)
    counterparts = {one: [addresses[other] for other in lane] for lane in lanes for one in lane}
    ask([call(one, Member.connect, others, seconds) for one, others in counterparts.items()], seconds + silence)
