"""The memory that the workers and servers of one node share.

The arena is an anonymous memory file (memfd): it has no name in any file system, its descriptor is handed to
peers over a Unix socket, and the kernel frees it when the last process that holds it is gone, however that
process ended. So nothing can be left behind, and the size of /dev/shm does not limit it.
"""

import errno
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dist_bp.errors import CapacityError
from dist_bp.ps.layout import ArenaLayout

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Version:
    """Views of one half of the arena: all that one committed step consists of."""

    parameters: Array
    statistics: Array
    optimizer: dict[str, Array]


@dataclass(frozen=True)
class Snapshot:
    """A committed version copied out of the arena; `step` updates have been applied to it."""

    step: int
    parameters: Array
    statistics: Array
    optimizer: Mapping[str, Array]


class Arena:
    """Typed views of the shared memory described by a layout."""

    def __init__(self, layout: ArenaLayout, descriptor: int) -> None:
        self.layout = layout
        self.descriptor = descriptor
        self._memory = mmap.mmap(
            descriptor,
            layout.nbytes,
            flags=mmap.MAP_SHARED | mmap.MAP_POPULATE,
            prot=mmap.PROT_READ | mmap.PROT_WRITE,
        )
        self.committed = self._view("committed")[:, 0]
        self.counts = self._view("count")[:, 0]
        self.losses = self._view("loss")[:, 0]
        self.squares = self._view("squares")
        self.gradients = [self._view(f"gradients/{worker}") for worker in range(layout.workers)]
        self.sums = [self._view(f"sums/{worker}") for worker in range(layout.workers)]
        self.halves = (self._half(0), self._half(1))

    @classmethod
    def create(cls, layout: ArenaLayout) -> "Arena":
        """Reserves the memory at once; raises CapacityError where there is too little of it."""
        descriptor = os.memfd_create("dist_bp", os.MFD_CLOEXEC)
        try:
            os.posix_fallocate(descriptor, 0, layout.nbytes)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
                raise CapacityError(
                    f"no room for {layout.nbytes / 2**20:.0f} MiB of shared memory: "
                    "use a smaller model, fewer workers or float32"
                ) from error
            raise
        return cls(layout, descriptor)

    def version(self, step: int) -> Version:
        return self.halves[step % 2]

    @property
    def step(self) -> int:
        """The newest step that every server has committed."""
        return int(self.committed.min())

    def read(self) -> Snapshot:
        """Copies the committed version; call it between leases only."""
        step = self.step
        version = self.version(step)
        return Snapshot(
            step=step,
            parameters=version.parameters.copy(),
            statistics=version.statistics.copy(),
            optimizer={name: array.copy() for name, array in version.optimizer.items()},
        )

    def write(self, snapshot: Snapshot) -> None:
        """Makes `snapshot` the committed version; call it between leases only."""
        version = self.version(snapshot.step)
        np.copyto(version.parameters, snapshot.parameters)
        np.copyto(version.statistics, snapshot.statistics)
        for name, array in version.optimizer.items():
            np.copyto(array, snapshot.optimizer[name])
        self.committed[:] = snapshot.step

    def close(self) -> None:
        """Gives the descriptor back; the memory itself goes with the last view of it."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _view(self, name: str) -> Array:
        region = self.layout.regions[name]
        flat = np.frombuffer(self._memory, region.dtype, int(np.prod(region.shape)), region.offset)
        return flat.reshape(region.shape)

    def _half(self, half: int) -> Version:
        return Version(
            parameters=self._view(f"parameters/{half}"),
            statistics=self._view(f"statistics/{half}"),
            optimizer={name: self._view(f"optimizer/{name}/{half}") for name in self.layout.optimizer},
        )
