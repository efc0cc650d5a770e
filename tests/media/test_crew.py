"""What a crew answers is in the order of what it was given, and it is given little at a time."""

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from dist_bp.media.crew import in_order, some_of


@pytest.mark.parametrize(("number", "ahead"), [(0, 3), (2, 3), (3, 3), (10, 3), (10, 1)])
def test_no_more_is_begun_than_may_wait(number: int, ahead: int) -> None:
    begun: list[int] = []

    def futures() -> Iterator[Future[int]]:
        for index in range(number):
            begun.append(index)
            future: Future[int] = Future()
            future.set_result(index)
            yield future

    taken = 0
    for index in in_order(futures(), ahead, lambda future: future.result()):
        assert index == taken
        assert len(begun) == min(number, taken + ahead)
        taken += 1
    assert taken == number


def test_files_are_named_by_the_first_and_the_last() -> None:
    assert some_of(["a.png"]) == "the file 'a.png'"
    assert some_of(["a.png", "b.png", "c.png"]) == "one of the files 'a.png' to 'c.png'"
