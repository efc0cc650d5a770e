"""Who decodes many files at a time: processes of this machine, or a cluster. They all answer in the order of files."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from dist_bp.errors import DataError
from dist_bp.media.decoder import Clip, Decoder, Item, Unlike, path_of
from dist_bp.types import Shape

SECONDS = 600.0
"""In which those that are given to somebody at a time are decoded."""
BLOCKS = 2
"""Given to a processor: one to work at, and the next."""

Decoded = Any
"""What became of a file, an `Unlike`, or the DataError that says what is wrong with it."""
Items = Sequence[str | Clip]
Crew = Callable[[Decoder, Items, int, Shape | None], Generator[list[Decoded]]]
"""Decodes files, about so many at a time, of one shape, None: of any; what it has started ends with the iterator."""

T = TypeVar("T")


def decode_one(decoder: Decoder, item: Item, name: str = "", shape: Shape | None = None) -> Decoded:
    """An item whose array is to have the shape, None: any."""
    try:
        one = decoder.open(item, name)
    except DataError as error:
        return error
    return one if shape is None or decoder.packed(one)[0].shape == shape else Unlike(decoder.packed(one)[0].shape)


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
