"""Modes of consistency: which gradients make an update, and how old the parameters may be that they come from.

| mode | an update is made of | a gradient's parameters are |
| --- | --- | --- |
| `sync` | the gradients of all shares | the version before that update |
| `backup` | the first S - b gradients (Chen et al. 2016); the late ones are dropped and never counted | that version |
| `ssp` | the gradients of all shares (bounded delay: Ho et al. 2013, Li et al. 2014) | at most s versions older |
| `async` | one gradient (Dean et al. 2012); its part of the weight scales the learning rate | any older one |
| `local` | the average of what H local steps made of the parameters (Stich 2019) | the average of the last round |
| `diloco` | the same, followed with Nesterov's momentum (Douillard et al. 2023) | what that made of the last round |
"""

from dist_bp.ps.modes.asynchronous import Async
from dist_bp.ps.modes.backup import Backup
from dist_bp.ps.modes.base import Mode, ModeName
from dist_bp.ps.modes.diloco import DiLoCo
from dist_bp.ps.modes.local import Local
from dist_bp.ps.modes.ssp import Ssp
from dist_bp.ps.modes.sync import Sync

MODES: dict[ModeName, type[Mode]] = {one.name: one for one in (Sync, Backup, Ssp, Async, Local, DiLoCo)}

__all__ = ["MODES", "Async", "Backup", "DiLoCo", "Local", "Mode", "ModeName", "Ssp", "Sync"]
