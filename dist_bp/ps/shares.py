"""Who computes which share: a worker its own, and those of workers that are not there as well."""

from collections.abc import Collection, Iterable


def assign(nodes: Iterable[range], present: Collection[int]) -> tuple[tuple[int, ...], ...]:
    """The shares of each worker, by rank, where `nodes` are the shares of each node, and `present` the ranks that are
    there: each has the share of its own rank; the others go, in order, to whoever of their node has the fewest.

    Raises ValueError where a node has nobody.
    """
    shares: dict[int, list[int]] = {}
    for own in nodes:
        here = {rank: [rank] for rank in own if rank in present}
        if not here:
            raise ValueError(f"nobody is there to compute the shares {own.start} to {own.stop - 1}")
        for share in own:
            if share not in here:
                min(here.values(), key=len).append(share)
        shares |= {rank: here.get(rank, []) for rank in own}
    return tuple(tuple(shares[rank]) for rank in sorted(shares))
