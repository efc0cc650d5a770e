"""Who decodes many files at a time: processes of this machine, or a cluster. They all answer in the order of files."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

from dist_bp.errors import DataError
from dist_bp.images.decoder import Decoder
from dist_bp.images.opening import Item
from dist_bp.types import Array

SECONDS = 600.0
"""In which those that are given to somebody at a time are decoded."""
BLOCKS = 2
"""Given to a processor: one to work at, and the next."""

Decoded = Array | DataError
"""Of a file: its pixels (height, width, channels), or what is wrong with it."""
Crew = Callable[[Decoder, Sequence[str], int], Generator[list[Decoded]]]
"""Decodes files, about so many at a time; what it has started ends with the iterator."""

T = TypeVar("T")


def decoded(decoder: Decoder, item: Item, name: str = "") -> Decoded:
    try:
        return decoder.pixels(item, name)
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


def some_of(paths: Sequence[str]) -> str:
    """The files, for messages."""
    return f"one of the files {paths[0]!r} to {paths[-1]!r}" if len(paths) > 1 else f"the file {paths[0]!r}"
