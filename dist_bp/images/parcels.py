"""Image files on their way to processes that do not see this machine's disk."""

from collections.abc import Iterator, Sequence

from dist_bp.files import read_file
from dist_bp.images.crew import Decoded, decoded
from dist_bp.images.decoder import Decoder
from dist_bp.images.opening import LARGEST_BYTES, name_of

PARCEL_BYTES = 2**22
"""Of files sent at a time, about."""

Parcel = tuple[list[str], list[bytes]]
"""Paths and what the files hold; one path alone stands for a file that cannot be sent."""


def parcels(paths: Sequence[str], size: int) -> Iterator[Parcel]:
    """The files in their order, at most `size` at a time. One that cannot be read here, or is too large to send, is
    alone and without content."""
    names: list[str] = []
    contents: list[bytes] = []
    for path in paths:
        content = _content(path)
        full = len(names) == size or sum(map(len, contents)) + len(content or b"") > PARCEL_BYTES
        if names and (content is None or full):
            yield names, contents
            names, contents = [], []
        if content is None:
            yield [path], []
        else:
            names.append(path)
            contents.append(content)
    if names:
        yield names, contents


def decode_parcel(decoder: Decoder, parcel: Parcel) -> list[Decoded]:
    """Named in messages as if they had been read from the disk."""
    paths, contents = parcel
    return [decoded(decoder, content, name_of(path)) for path, content in zip(paths, contents or paths, strict=True)]


def _content(path: str) -> bytes | None:
    try:
        return read_file(path, LARGEST_BYTES)
    except (OSError, MemoryError):  # told when it is decoded
        return None
