"""How files are decoded. It imports nothing that opens them, for those who may have none."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dist_bp.media.crew import Crew, Decoded, Items
    from dist_bp.media.decoder import Decoder

FILES = 32
"""At a time, at most."""
BLOCK_BYTES = 2**24
"""Of what becomes of the files at a time: no more are decoded once there are as many, whatever the next ones hold."""
Progress = Callable[[int, int], None]
"""Hears how many files are done, and of how many."""


@dataclass(frozen=True)
class Decoding:
    """Who hears how far it is, and who does it once it takes longer; None: processes of this machine."""

    progress: Progress | None = None
    crew: "Crew | None" = None

    def decode(self, decoder: "Decoder", paths: "Items") -> "Generator[list[Decoded]]":
        """See `decode_files`."""
        from dist_bp.media.decoder import Recording
        from dist_bp.media.files import decode_files
        from dist_bp.media.processes import Processes

        here = any(isinstance(one, Recording) for one in paths[:1])  # what is in memory is not sent elsewhere
        return decode_files(decoder, paths, self.progress, Processes(0) if here else self.crew)


HERE = Decoding()
"""By this machine, and nobody hears of it."""
