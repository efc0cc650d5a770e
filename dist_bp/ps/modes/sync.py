"""`sync`: an update is made of the gradients of all shares, each from the version before it."""

from dataclasses import dataclass
from typing import ClassVar

from dist_bp.ps.modes.base import ModeName
from dist_bp.ps.modes.every_share import EveryShare


@dataclass(frozen=True)
class Sync(EveryShare):
    """Bit for bit the same, whoever computes."""

    name: ClassVar[ModeName] = "sync"
    exact: ClassVar[bool] = True
    predictable: ClassVar[bool] = True
