"""PyTorch on two hosts, one process on each."""

import os
from pathlib import Path

from benchmarks.contenders.pytorch import PyTorch
from benchmarks.hosts import CARD, enter
from benchmarks.works import Work


class PyTorchOnHost(PyTorch):
    """The process of one host under DistributedDataParallel."""

    def __init__(self, work: Work, folder: Path, rank: int, size: int, hosts: tuple[str, ...]) -> None:
        enter(hosts[rank])
        os.environ["GLOO_SOCKET_IFNAME"] = CARD
        super().__init__(work, folder, rank, size, threads=1)
