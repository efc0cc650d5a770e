"""Many files to arrays, in the order of the files."""

import time
from collections.abc import Generator

from dist_bp.media.crew import Crew, Decoded, Items, bytes_of, decode_some
from dist_bp.media.decoder import Decoder
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

    The first are decoded by this process, and tell about how many make a block. Where all must have one shape, it is
    that of the first sound one; of those that have another their shape alone is kept.
    """
    done, size, began = 0, 0, time.monotonic()
    shape: Shape | None = None
    while done < len(paths) and (not size or time.monotonic() - began < ALONE_SECONDS):
        some = decode_some(decoder, paths[done : done + (size or FILES)], shape)
        if not size and (largest := max(bytes_of(decoder, one) for one in some)):
            size = max(1, min(FILES, BLOCK_BYTES // largest))
            shape = _shape_of_all(decoder, some)
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


def _shape_of_all(decoder: Decoder, some: list[Decoded]) -> Shape | None:
    """That of the first sound one, where all must have it."""
    if not decoder.one_shape:
        return None
    return next(decoder.packed(one)[0].shape for one in some if bytes_of(decoder, one))
