"""Who decodes many files at a time: processes of this machine, or a cluster. They all answer in the order of files."""

from collections.abc import Callable, Generator, Sequence
from typing import Any

from dist_bp.errors import DataError
from dist_bp.media.decoder import Decoder, Item, Unlike, path_of
from dist_bp.media.decoding import BLOCK_BYTES
from dist_bp.types import Shape

SECONDS = 600.0
"""In which those that are given to somebody at a time are decoded."""
BLOCKS = 2
"""Given to a processor: one to work at, and the next."""

Decoded = Any
"""What became of a file, an `Unlike`, or the DataError that says what is wrong with it."""
Items = Sequence[Any]
"""Paths, or clips of what they name; or recordings, which stay in the process that has them."""
Crew = Callable[[Decoder, Items, int, Shape | None], Generator[list[Decoded]]]
"""Decodes files, about so many at a time, of one shape, None: of any; what it has started ends with the iterator."""


def decode_one(decoder: Decoder, item: Item, name: str = "", shape: Shape | None = None) -> Decoded:
    """An item whose array is to have the shape, None: any."""
    try:
        one = decoder.open(item, name)
    except DataError as error:
        return error
    return one if shape is None or decoder.packed(one)[0].shape == shape else Unlike(decoder.packed(one)[0].shape)


def decode_some(decoder: Decoder, items: Items, shape: Shape | None = None) -> list[Decoded]:
    """As many of the items, from the first on, as hold `BLOCK_BYTES` together, or all.

    Where all arrays must have one shape and `shape` is None, it is that of the first.
    """
    found: list[Decoded] = []
    held = 0
    for item in items:
        one = decode_one(decoder, item, shape=shape)
        found.append(one)
        held += bytes_of(decoder, one)
        if held >= BLOCK_BYTES:
            break
        if held and shape is None and decoder.one_shape:
            shape = decoder.packed(one)[0].shape
    return found


def bytes_of(decoder: Decoder, one: Decoded) -> int:
    """0 of what is none, or not kept."""
    return 0 if isinstance(one, DataError | Unlike) else max(1, decoder.packed(one)[0].nbytes)


def some_of(items: Items) -> str:
    """The files, for messages."""
    paths = [path_of(item) for item in (items[0], items[-1])]
    return f"one of the files {paths[0]!r} to {paths[1]!r}" if len(items) > 1 else f"the file {paths[0]!r}"
