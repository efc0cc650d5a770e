"""The order in which what shares give is added: a binary tree over all of them, whoever holds which.

The bits of a sum of floats depend on the order of its additions. Here the sum over a range of shares is that over its
first half plus that over its second one, the first with one share more where they are not even: by the number of shares
alone. So several nodes make the bits of one: a node sends the sums of the largest subtrees that lie within its own
shares, and whoever gets them completes the tree. Of nodes that hold halves, quarters ... that is one sum each.

Where compression makes an approximation of a sum, a node sends one sum all the same: a tree over the nodes, whose bits
depend on who holds which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeVar

import numpy as np

from dist_bp.types import Array

T = TypeVar("T")

Tree = int | tuple["Tree", "Tree"]
"""An operand, or what is to be added."""


class Order(NamedTuple):
    """The `additions` that make one array of several: (first, second, sum), places in a list of the operands, then
    `scratch` arrays, then the result."""

    additions: tuple[tuple[int, int, int], ...]
    scratch: int

    @property
    def in_line(self) -> bool:
        """Whether operands are added one after the other."""
        return self.additions == ((0, 1, -1), *((-1, place, -1) for place in range(2, len(self.additions) + 1)))

    def fold(self, operands: Sequence[T], add: Callable[[T, T], T]) -> T:
        """The sum of operands of any kind that `add` makes the sum of two of."""
        places = [*operands, *(operands[0] for _ in range(self.scratch + 1))]
        for first, second, total in self.additions:
            places[total] = add(places[first], places[second])
        return places[-1]

    def add_up(self, operands: Sequence[Array], scratch: Array, out: Array) -> None:
        """Makes `out` (n,) of the operands (n,); `scratch` (self.scratch or more, n or more) is overwritten."""
        if not self.additions:
            np.copyto(out, operands[0])
            return
        arrays = [*operands, *scratch[: self.scratch, : len(out)], out]
        for first, second, total in self.additions:
            np.add(arrays[first], arrays[second], arrays[total])


class Summation(NamedTuple):
    """How a node adds what some shares give.

    `places` are those of its own among all of the node's, `nodes` all that have any. `sent` are the sums that it sends,
    each of which of its own and in which order, `received` how many others send. `order` is that of all: its own, then
    what is received, node by node.
    """

    places: tuple[int, ...]
    nodes: tuple[int, ...]
    sent: tuple[tuple[slice, Order], ...]
    received: tuple[tuple[int, int], ...]
    order: Order

    def add_up(self, own: Sequence[Array], received: Mapping[int, Array], scratch: Array, out: Array) -> None:
        """Makes `out` (n,) of the node's own arrays and the sums (k, n) `received` from others, as `Order` does."""
        if self.received:
            own = [*own, *(row for node, count in self.received for row in received[node][:count])]
        self.order.add_up(own, scratch, out)


def summation(placement: Sequence[int], node: int, shares: Sequence[int], compressed: bool = False) -> Summation:
    """How `node` adds what `shares`, in their order, give, where each node of the `placement` has so many."""
    spans = [range(*edges) for edges in pairwise([0, *accumulate(placement)])]
    parts = [
        [part for part in subtrees(placement, one, compressed) if any(share in part for share in shares)]
        for one in range(len(spans))
    ]
    own = [share for share in shares if share in spans[node]]
    received = tuple((other, len(some)) for other, some in enumerate(parts) if other != node and some)
    operands = [*(range(share, share + 1) for share in own), *(part for other, _ in received for part in parts[other])]
    leaves: dict[range, Tree | None] = {operand: place for place, operand in enumerate(operands)}
    if compressed:
        tree = _tree(range(len(spans)), {range(one, one + 1): _tree(span, leaves) for one, span in enumerate(spans)})
    else:
        tree = _tree(range(sum(placement)), leaves)
    return Summation(
        places=tuple(share - spans[node].start for share in own),
        nodes=tuple(one for one, some in enumerate(parts) if some),
        sent=tuple(_sent(part, own, leaves) for part in parts[node]),
        received=received,
        order=_order(tree),
    )


def _sent(part: range, own: Sequence[int], leaves: Mapping[range, Tree | None]) -> tuple[slice, Order]:
    places = [place for place, share in enumerate(own) if share in part]
    return slice(places[0], places[-1] + 1), _order(_tree(part, leaves), places[0])


def subtrees(placement: Sequence[int], node: int, compressed: bool = False) -> list[range]:
    """The shares of each sum that a node sends where all of its shares give something."""
    first = sum(placement[:node])
    own = range(first, first + placement[node])
    return [own] if compressed else _within(range(sum(placement)), own)


def _within(tree: range, own: range) -> list[range]:
    """The largest subtrees whose shares are among `own`."""
    if own.start <= tree.start and tree.stop <= own.stop:
        return [tree]
    if tree.stop <= own.start or own.stop <= tree.start:
        return []
    return [part for half in _halves(tree) for part in _within(half, own)]


def _halves(shares: range) -> tuple[range, range]:
    middle = (len(shares) + 1) // 2
    return shares[:middle], shares[middle:]


def _tree(shares: range, leaves: Mapping[range, Tree | None]) -> Tree | None:
    """The tree over `shares`, of which some ranges are `leaves`; None where there is none."""
    if shares in leaves:
        return leaves[shares]
    if len(shares) < 2:
        return None
    first, second = (_tree(half, leaves) for half in _halves(shares))
    if first is None or second is None:
        return second if first is None else first
    return first, second


def _order(tree: Tree | None, first: int = 0) -> Order:
    """That of a tree whose operands are numbered from `first` on."""
    additions: list[tuple[int, int, int]] = []

    def place(tree: Tree, out: int) -> int:
        """Where the sum of a tree is: in `out` if it is no operand; scratch lies before that."""
        if isinstance(tree, int):
            return tree - first
        one, other = tree
        additions.append((place(one, out), place(other, out if isinstance(one, int) else out - 1), out))
        return out

    if tree is not None:
        place(tree, -1)
    return Order(tuple(additions), -1 - min((total for _, _, total in additions), default=-1))
