"""Decoders that end, fail or hang at a file of the name `bad`."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from dist_bp.images.decoder import Decoder
from dist_bp.images.opening import Item
from dist_bp.types import Array


@dataclass(frozen=True)
class Bad(Decoder):
    how: str = ""
    folder: str = ""

    def pixels(self, item: Item, name: str = "") -> Array:
        if "bad" in name:
            (Path(self.folder) / f"{os.getpid()}.pid").touch()
            self.fail()
        return super().pixels(item, name)

    def fail(self) -> None:
        if self.how == "raises":
            raise ValueError("nobody expects this")
        if self.how == "hangs":
            time.sleep(600)
        if self.how == "dies" or len(list(Path(self.folder).glob("*.pid"))) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
