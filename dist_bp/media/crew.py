"""Who decodes many files at a time: processes of this machine, or a cluster. They all answer in the order of files."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from dist_bp.errors import DataError
from dist_bp.media.decoder import Clip, Decoder, Item, path_of

SECONDS = 600.0
"""In which those that are given to somebody at a time are decoded."""
BLOCKS = 2
"""Given to a processor: one to work at, and the next."""

Decoded = Any
"""What became of a file, or the DataError that says what is wrong with it."""
Items = Sequence[str | Clip]
Crew = Callable[[Decoder, Items, int], Generator[list[Decoded]]]
"""Decodes files, about so many at a time; what it has started ends with the iterator."""

T = TypeVar("T")


def decoded(decoder: Decoder, item: Item, name: str = "") -> Decoded:
    try:
        return decoder.open(item, name)
    except DataError as error:
        return error


def in_order(begun: Iterable[Future[T]], ahead: int, result: Callable[[Future[T]], T]) -> Iterator[T]:
    """The results of futures in their order, of which `ahead` at most are begun and not taken yet."""
    waiting: deque[Future[T]] = deque()
    for future in begun:
        waiting.append(future)
        if len(waiting) >= ahead:
            yield result(waiting.popleft())
    while waiting:
        yield result(waiting.popleft())


def some_of(items: Items) -> str:
    """The files, for messages."""
    paths = [path_of(item) for item in (items[0], items[-1])]
    return f"one of the files {paths[0]!r} to {paths[1]!r}" if len(items) > 1 else f"the file {paths[0]!r}"
