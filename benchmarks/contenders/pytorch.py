"""PyTorch: one process, or several under DistributedDataParallel with gloo."""

from functools import cached_property
from pathlib import Path

import torch
import torch._inductor.config
import torch.nn.functional as F

from benchmarks.contenders.torch_network import network
from benchmarks.processes import Contender
from benchmarks.threads import thread_counts
from benchmarks.works import MOMENTUM, Array, Work, read_inputs

Trained = tuple[torch.nn.Module, torch.optim.Optimizer]


class PyTorch(Contender):
    """Process `rank` of `size`. Each way to train has a network of its own, made where it is asked for: with PyTorch's
    default optimizer, with its fused one, with that and the network compiled, with images that are kept channels last,
    and with texts padded where others pack them. Processes of one group find each other by the file `meeting`."""

    def __init__(self, work: Work, folder: Path, rank: int, size: int, threads: int, meeting: str = "ddp") -> None:
        torch.set_num_threads(threads)
        self._inputs = read_inputs(work, folder)
        self._distributed = size > 1
        if self._distributed:
            torch.distributed.init_process_group(
                "gloo", init_method=f"file://{folder / meeting}", rank=rank, world_size=size
            )
        self._work = work
        self._x = torch.from_numpy(self._inputs.x)
        if work.images:  # the order of axes that PyTorch takes images in
            self._x = self._x.movedim(-1, 1).contiguous()
        self._y = torch.from_numpy(self._inputs.y)
        lengths = self._inputs.lengths
        self._lengths = None if lengths is None else torch.from_numpy(lengths)
        steps = range(len(self._inputs.order))
        self._rows = [torch.from_numpy(self._inputs.rows(step, rank, size)) for step in steps]

    def run(self, first: int, count: int) -> Array:
        """The losses of the steps over this process's rows, with the default optimizer."""
        return self._train(*self._default, self._x, first, count)

    def run_fused(self, first: int, count: int) -> Array:
        return self._train(*self._fused, self._x, first, count)

    def run_compiled(self, first: int, count: int) -> Array:
        return self._train(*self._compiled, self._x, first, count)

    def run_channels_last(self, first: int, count: int) -> Array:
        model, optimizer, x = self._channels_last
        return self._train(model, optimizer, x, first, count)

    def run_padded(self, first: int, count: int) -> Array:
        return self._train(*self._padded, self._x, first, count)

    def threads(self) -> dict[str, int]:
        return thread_counts() | {"torch": torch.get_num_threads()}

    def close(self) -> None:
        if self._distributed:
            torch.distributed.destroy_process_group()

    @cached_property
    def _default(self) -> Trained:
        return self._with_optimizer(network(self._work, self._inputs), fused=False)

    @cached_property
    def _fused(self) -> Trained:
        return self._with_optimizer(network(self._work, self._inputs), fused=True)

    @cached_property
    def _compiled(self) -> Trained:
        torch._inductor.config.compile_threads = 1  # processes that compile would stay
        return self._with_optimizer(torch.compile(network(self._work, self._inputs)), fused=True)

    @cached_property
    def _channels_last(self) -> tuple[torch.nn.Module, torch.optim.Optimizer, torch.Tensor]:
        model = network(self._work, self._inputs).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return *self._with_optimizer(model, fused=False), self._x.contiguous(memory_format=torch.channels_last)

    @cached_property
    def _padded(self) -> Trained:
        model = network(self._work, self._inputs)
        model.packed = False  # type: ignore[assignment]
        return self._with_optimizer(model, fused=False)

    def _with_optimizer(self, model: torch.nn.Module, fused: bool) -> Trained:
        if self._distributed:
            model = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
        parameters = model.parameters()
        if self._work.optimizer == "adam":
            return model, torch.optim.Adam(parameters, lr=self._work.rate, fused=fused)
        return model, torch.optim.SGD(parameters, lr=self._work.rate, momentum=MOMENTUM, fused=fused)

    def _train(
        self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, first: int, count: int
    ) -> Array:
        losses = torch.empty(count)
        for number in range(count):
            rows = self._rows[(first + number) % len(self._rows)]
            optimizer.zero_grad()
            given = [tensor.index_select(0, rows) for tensor in (x, self._lengths) if tensor is not None]
            scores, classes = model(*given), self._y.index_select(0, rows)
            loss = F.cross_entropy(scores.flatten(0, -2), classes.flatten())
            loss.backward()
            optimizer.step()
            losses[number] = loss.detach()
        return losses.numpy()
