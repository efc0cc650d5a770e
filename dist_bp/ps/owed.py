"""What nodes owe each other of what compression has left out, where a run goes on: perhaps on others than before.

Whoever sends the sums of an element may add what is owed of it. So where slices are cut as before everybody has its own
debts again. Otherwise those of a node that is no longer there, or that now updates the element itself, go to the node
after the one that does.
"""

from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple

from dist_bp.ps.layout import ArenaLayout
from dist_bp.types import Array


class Debt(NamedTuple):
    """What a node has left out (n,) of its sums of the elements from `start` on."""

    node: int
    start: int
    owed: Array


def debts_of(owed: Mapping[str, Array], parameters: int) -> list[Debt]:
    """Those of a snapshot, whose names are `from/to`: everybody owes something of all slices but its own. Raises
    ValueError where these do not make up so many parameters."""
    debts = {tuple(map(int, name.split("/"))): array for name, array in owed.items()}
    sizes = {to: len(array) for (_, to), array in debts.items()}
    starts = [0, *accumulate(sizes[node] for node in sorted(sizes))]
    whole = starts[-1] == parameters and sorted(sizes) == list(range(len(sizes)))
    if debts and not (whole and all(array.shape == (sizes[to],) for (_, to), array in debts.items())):
        raise ValueError("what its nodes owe each other is of another model")
    return [Debt(node, starts[to], array) for (node, to), array in debts.items()]


def restore(debts: list[Debt], layout: ArenaLayout, into: Mapping[int, Array]) -> None:
    """Makes `into` what the node of the layout owes each of the others."""
    for other, array in into.items():
        array.fill(0)
        start, stop = layout.slice(other)
        for debt in debts:
            first, last = max(start, debt.start), min(stop, debt.start + len(debt.owed))
            if first < last and _payer(debt.node, other, layout.nodes) == layout.node:
                array[first - start : last - start] += debt.owed[first - debt.start : last - debt.start]


def _payer(node: int, other: int, nodes: int) -> int:
    """Who pays `other` what `node` owes of elements of its slice."""
    return node if node < nodes and node != other else (other + 1) % nodes
