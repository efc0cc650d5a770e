"""In how many rounds nodes exchange an update: two, or one for small networks.

In two rounds everybody sends the sums of a slice to the node that updates it, which sends what it has made to all. In
one everybody sends all sums to all, and every node updates everything: the same additions and updates, and the same
bits, with a wait less and more work. Between two nodes that is the same number of bytes, among n it is n / 2 times it.

It is for modes whose updates are made of the gradients of all shares: in others nobody would wait for a node that has
none in an update.
"""

from dataclasses import replace

import numpy as np

from dist_bp.ps.layout import ArenaLayout

ROUND_SECONDS = 1e-4
"""What a wait for other nodes costs beside its bytes: a message and the wake-up it brings take 60 us between two
processes of one machine, and a network adds its latency, 20 to 100 us."""
BYTE_SECONDS = 1.5e-9
"""A byte that is sent and received: 0.5 ns at both ends, and 0.8 ns of a card of 10 Gb/s."""
ELEMENT_SECONDS = 4e-9
"""An element that is updated, with what else it costs to have all of them at once. Between two hosts that are network
namespaces of one machine one round was 1.25 times as fast as two with 4,810 parameters, 1.22 with 25,450, 1.03 with
50,890 and 0.82 with 101,770 (medians of 7 or 9 interleaved blocks)."""
ADD_SECONDS = 2e-10
"""An element that is added."""


def in_rounds(layout: ArenaLayout, one: bool | None = None) -> ArenaLayout:
    """The layout of nodes that exchange in one round or in two: unless told, in what is faster. Where sums are
    compressed, or updates do not wait for all shares, there are two."""
    possible = layout.nodes > 1 and layout.mode.exact and not layout.compressed
    return replace(layout, one_round=possible and (_one_is_faster(layout) if one is None else one))


def _one_is_faster(layout: ArenaLayout) -> bool:
    """A guess by constants: where it is wrong it costs some time, and no bit."""
    nodes, peers, itemsize = layout.nodes, layout.nodes - 1, np.dtype(layout.dtype).itemsize
    sent = peers * (1 - 2 / nodes) * itemsize * BYTE_SECONDS
    updated = (1 - 1 / nodes) * (ELEMENT_SECONDS + peers * ADD_SECONDS)
    return layout.parameters * (sent + updated) < ROUND_SECONDS
