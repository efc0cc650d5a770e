"""What Ray's exceptions mean for a run."""

import pytest
from ray import exceptions

from dist_bp.ps.doorbell import Peer
from dist_bp.runtime.failures import LOST
from dist_bp.runtime.replies import translated

GONE = [
    exceptions.ObjectLostError("00" * 28, None, ""),
    exceptions.OwnerDiedError("00" * 28, None, ""),
    exceptions.NodeDiedError("a node"),
    exceptions.ActorDiedError(),
    exceptions.OutOfMemoryError("a node"),
]


@pytest.mark.parametrize("error", GONE, ids=lambda error: type(error).__name__)
def test_a_process_is_lost_with_its_node_and_what_it_has_answered(error: Exception) -> None:
    found = translated(error, Peer("keeper", 1))
    assert isinstance(found, LOST)
    assert str(found).startswith("keeper 1 died: ")


def test_others_are_as_they_were_raised() -> None:
    error = ValueError("no such layer")
    assert translated(error, Peer("worker", 0)) is error
