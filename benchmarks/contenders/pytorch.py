"""PyTorch: one process, or several under DistributedDataParallel with gloo."""

from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.processes import Contender
from benchmarks.threads import thread_counts
from benchmarks.works import MOMENTUM, Array, Inputs, Work, read_inputs


class PyTorch(Contender):
    """Process `rank` of `size`. The network is there twice, with PyTorch's default optimizer and with its fused one."""

    def __init__(self, work: Work, folder: Path, rank: int, size: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self._inputs = read_inputs(work, folder)
        self._distributed = size > 1
        if self._distributed:
            meeting = f"file://{folder / 'ddp'}"
            torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)
        self._x = torch.from_numpy(self._inputs.x)
        self._y = torch.from_numpy(self._inputs.y)
        steps = range(len(self._inputs.order))
        self._rows = [torch.from_numpy(self._inputs.rows(step, rank, size)) for step in steps]
        self._default = self._build(work, fused=False)
        self._fused = self._build(work, fused=True)

    def run(self, first: int, count: int) -> Array:
        """The losses of the steps over this process's rows, with the default optimizer."""
        return self._train(*self._default, first, count)

    def run_fused(self, first: int, count: int) -> Array:
        return self._train(*self._fused, first, count)

    def threads(self) -> dict[str, int]:
        return thread_counts() | {"torch": torch.get_num_threads()}

    def close(self) -> None:
        if self._distributed:
            torch.distributed.destroy_process_group()

    def _build(self, work: Work, fused: bool) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        model: torch.nn.Module = network(work, self._inputs)
        if self._distributed:
            model = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
        parameters = model.parameters()
        if work.optimizer == "adam":
            return model, torch.optim.Adam(parameters, lr=work.rate, fused=fused)
        return model, torch.optim.SGD(parameters, lr=work.rate, momentum=MOMENTUM, fused=fused)

    def _train(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, first: int, count: int) -> Array:
        losses = torch.empty(count)
        for number in range(count):
            rows = self._rows[(first + number) % len(self._rows)]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(self._x.index_select(0, rows)), self._y.index_select(0, rows))
            loss.backward()
            optimizer.step()
            losses[number] = loss.detach()
        return losses.numpy()


def network(work: Work, inputs: Inputs) -> torch.nn.Sequential:
    """The work's network with its initial parameters."""
    modules: list[torch.nn.Module] = []
    for (rows, columns), (weight, bias) in zip(pairwise(work.sizes), inputs.layers, strict=True):
        linear = torch.nn.Linear(rows, columns)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T))
            linear.bias.copy_(torch.from_numpy(bias))
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])
