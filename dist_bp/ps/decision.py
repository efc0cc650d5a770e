"""What the servers of a run tell each other and their workers about an update."""

from typing import NamedTuple

NO_TICKET = -1
"""The answer to a worker whose gradient did not count, or for which there is no more work."""
COUNTED = 0
"""The answer to a worker whose gradient counted where no ticket is handed out."""


class Aborted(Exception):
    """A peer has ended the lease before the update."""


class Decision(NamedTuple):
    """The shares whose gradients make the next update, and the answer that the worker of each gets after it."""

    shares: tuple[int, ...]
    answers: tuple[int, ...]
