"""Many files to arrays, in the order of the files."""

import time
from collections.abc import Generator

from dist_bp.errors import DataError
from dist_bp.media.crew import Crew, Decoded, Items, decoded
from dist_bp.media.decoder import Decoder
from dist_bp.media.decoding import Progress
from dist_bp.media.processes import Processes

ALONE_SECONDS = 0.5
"""What takes no longer is done by this process."""
FILES = 32
"""At a time, at most."""
BLOCK_BYTES = 2**24
"""Of what becomes of the files at a time, about: several blocks are ready at once."""


def decode_files(
    decoder: Decoder, paths: Items, progress: Progress | None = None, crew: Crew | None = None
) -> Generator[list[Decoded]]:
    """The files, some at a time and in their order; by the crew (None: processes of this machine, one a processor)
    once it takes longer. The crew ends with the iterator, and raises where it cannot go on.

    The first are decoded by this process, and others are held to be as large.
    """
    done, size, began = 0, 0, time.monotonic()
    while done < len(paths) and (not size or time.monotonic() - began < ALONE_SECONDS):
        some = [decoded(decoder, path) for path in paths[done : done + size]] if size else _first(decoder, paths)
        size = size or max(1, min(FILES, BLOCK_BYTES // max(_bytes(decoder, one) for one in some)))
        done += len(some)
        _tell(progress, done, len(paths))
        yield some
    if done == len(paths):
        return
    for some in (crew or Processes())(decoder, paths[done:], size):
        done += len(some)
        _tell(progress, done, len(paths))
        yield some


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress:
        progress(done, total)


def _first(decoder: Decoder, paths: Items) -> list[Decoded]:
    """As many of the first files as are enough at a time."""
    found: list[Decoded] = []
    for path in paths[:FILES]:
        found.append(decoded(decoder, path))
        if sum(_bytes(decoder, one) for one in found) >= BLOCK_BYTES:
            break
    return found


def _bytes(decoder: Decoder, one: Decoded) -> int:
    return 1 if isinstance(one, DataError) else max(1, decoder.packed(one)[0].nbytes)
