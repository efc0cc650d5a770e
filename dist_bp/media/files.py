"""Many files to arrays, in the order of the files."""

import time
from collections.abc import Generator

from dist_bp.errors import DataError
from dist_bp.media.crew import Crew, Decoded, Items, decode_one
from dist_bp.media.decoder import Decoder, Unlike
from dist_bp.media.decoding import BLOCK_BYTES, FILES, Progress
from dist_bp.media.processes import Processes
from dist_bp.types import Shape

ALONE_SECONDS = 0.5
"""What takes no longer is done by this process."""


def decode_files(
    decoder: Decoder, paths: Items, progress: Progress | None = None, crew: Crew | None = None
) -> Generator[list[Decoded]]:
    """The files, some at a time and in their order; by the crew (None: processes of this machine, one a processor)
    once it takes longer. The crew ends with the iterator, and raises where it cannot go on.

    The first are decoded by this process, and others are held to be as large. Where all must have one shape, it is that
    of the first sound one; of those that have another their shape alone is kept.
    """
    done, size, shape, began = 0, 0, None, time.monotonic()
    while done < len(paths) and (not size or time.monotonic() - began < ALONE_SECONDS):
        if size:
            some = [decode_one(decoder, path, shape=shape) for path in paths[done : done + size]]
        else:
            some, shape = _first(decoder, paths[done : done + FILES])
            largest = max(_bytes(decoder, one) for one in some)
            size = max(1, min(FILES, BLOCK_BYTES // largest)) if largest else 0
        done += len(some)
        _tell(progress, done, len(paths))
        yield some
    if done == len(paths):
        return
    for some in (crew or Processes())(decoder, paths[done:], size, shape):
        done += len(some)
        _tell(progress, done, len(paths))
        yield some


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress:
        progress(done, total)


def _first(decoder: Decoder, paths: Items) -> tuple[list[Decoded], Shape | None]:
    """As many of the files as are enough at a time, and the shape of all, once it is known."""
    found: list[Decoded] = []
    shape, held = None, 0
    for path in paths:
        one = decode_one(decoder, path, shape=shape)
        found.append(one)
        held += _bytes(decoder, one)
        if held and shape is None and decoder.one_shape:
            shape = decoder.packed(one)[0].shape
        if held >= BLOCK_BYTES:
            break
    return found, shape


def _bytes(decoder: Decoder, one: Decoded) -> int:
    """0 of what is none, or not kept."""
    return 0 if isinstance(one, DataError | Unlike) else max(1, decoder.packed(one)[0].nbytes)
