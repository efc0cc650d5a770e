"""Files on their way to processes that do not see this machine's disk."""

from collections.abc import Iterator

from dist_bp.files import read_file
from dist_bp.media.crew import Decoded, Items, decode_one
from dist_bp.media.decoder import Clip, Decoder, path_of, with_content
from dist_bp.media.faults import LARGEST_BYTES
from dist_bp.types import Shape

PARCEL_BYTES = 2**22
"""Of files sent at a time, about."""

Parcel = tuple[list[str | Clip], list[bytes]]
"""Items and what their files hold; one item alone stands for a file that cannot be sent."""


def parcels(items: Items, size: int) -> Iterator[Parcel]:
    """The files in their order, at most `size` at a time. One that cannot be read here, or is too large to send, is
    alone and without content."""
    names: list[str | Clip] = []
    contents: list[bytes] = []
    for item in items:
        content = _content(path_of(item))
        full = len(names) == size or sum(map(len, contents)) + len(content or b"") > PARCEL_BYTES
        if names and (content is None or full):
            yield names, contents
            names, contents = [], []
        if content is None:
            yield [item], []
        else:
            names.append(item)
            contents.append(content)
    if names:
        yield names, contents


def decode_parcel(decoder: Decoder, parcel: Parcel, shape: Shape | None) -> list[Decoded]:
    """Named in messages as if they had been read from the disk."""
    items, contents = parcel
    if not contents:
        return [decode_one(decoder, item, shape=shape) for item in items]
    pairs = zip(items, contents, strict=True)
    return [decode_one(decoder, with_content(item, content), decoder.name_of(item), shape) for item, content in pairs]


def _content(path: str) -> bytes | None:
    try:
        return read_file(path, LARGEST_BYTES)
    except (OSError, MemoryError):  # told when it is decoded
        return None
