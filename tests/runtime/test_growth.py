"""Looking for room beside the training: what Ray does not answer is asked again, a fault of our own ends it."""

import threading
from collections.abc import Callable, Iterator

import pytest

from dist_bp.runtime import growth
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.growth import Growth
from dist_bp.runtime.room import Room

ROOM = Room([], [], "a")


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Growth]]:
    """Begins to look, and finds or meets these one after the other."""
    monkeypatch.setattr(growth, "LOOK_SECONDS", 0.001)
    begun: list[Growth] = []

    def begin(*answers: Room | Exception | None) -> Growth:
        left = iter(answers)

        def look() -> Room | None:
            answer = next(left)
            if isinstance(answer, Exception):
                raise answer
            return answer

        begun.append(Growth(look))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def test_what_ray_does_not_answer_is_asked_again(looking: Callable[..., Growth]) -> None:
    found = looking(None, RayLost("Ray does not answer"), None, ROOM)
    assert found.outcome.result(5) is ROOM
    assert found.room is ROOM


def test_a_fault_ends_the_looking(looking: Callable[..., Growth]) -> None:
    found = looking(None, KeyError("node7"), ROOM)
    assert isinstance(found.outcome.exception(5), KeyError)
    with pytest.raises(KeyError, match="node7"):
        _ = found.room


def test_what_goes_wrong_after_the_end_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray may be ended while it is asked."""
    monkeypatch.setattr(growth, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(growth, "END_SECONDS", 0.0)
    asked, ended = threading.Event(), threading.Event()

    def look() -> Room | None:
        asked.set()
        ended.wait(5)
        raise AssertionError("Ray is not there")

    found = Growth(look)
    assert asked.wait(5)
    found.close()
    ended.set()
    with pytest.raises(TimeoutError):
        found.outcome.result(0.2)
    assert found.room is None
