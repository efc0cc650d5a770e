"""Layers of a user's own that raise, hang, are slow or give numbers that are none in the middle of training."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from dist_bp.nn import Backward, Context, Declaration, Layer, Spec, Views
from dist_bp.nn.layers.dense import Dense
from dist_bp.types import Array


class Failing(Layer):
    """A dense layer of 4 units until step 3."""

    def __init__(self) -> None:
        self._dense = Dense(4)

    def declare(self, spec: Spec) -> Declaration:
        return self._dense.declare(spec)

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        if ctx.step == 3:
            raise ValueError("this layer fails at step 3")
        return self._dense.forward(x, params, ctx)


class Sleeping(Failing):
    """A dense layer of 4 units that takes long at step 3, on the worker that does not have the first group."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        if ctx.step == 3 and ctx.groups[0].index > 0:
            time.sleep(self._seconds)
        return self._dense.forward(x, params, ctx)


class Orphaned(Failing):
    """A dense layer of 4 units that, where it is evaluated, signals Ray's raylet, and then takes its time."""

    def __init__(self, signal: int, seconds: float) -> None:
        super().__init__()
        self._signal, self._seconds = signal, seconds

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        raylet = os.getppid()
        if not ctx.training and Path(f"/proc/{raylet}/comm").read_text() == "raylet\n":
            os.kill(raylet, self._signal)
            time.sleep(self._seconds)
        return self._dense.forward(x, params, ctx)


class Slow(Sleeping):
    """A dense layer of 4 units that takes its time at every step, on the worker that has a group or one behind it."""

    def __init__(self, seconds: float, group: int = 0) -> None:
        super().__init__(seconds)
        self._group = group

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        if any(group.index >= self._group for group in ctx.groups):
            time.sleep(self._seconds)
        return self._dense.forward(x, params, ctx)


class Dying(Failing):
    """A dense layer of 4 units whose process is killed at a step, before it says anything."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        if ctx.training and ctx.step == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._dense.forward(x, params, ctx)


class NotFinite(Failing):
    """A dense layer of 4 units whose outputs for a group of the batch, -1: for all, are NaN at some steps, from 0."""

    def __init__(self, at: list[int], group: int = -1) -> None:
        super().__init__()
        self._at, self._group = at, group

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        y, backward = self._dense.forward(x, params, ctx)
        here = self._group == -1 or self._group in [group.index for group in ctx.groups]
        return (y * np.nan if ctx.training and ctx.step in self._at and here else y), backward


class Unmoved(NotFinite):
    """A dense layer of 4 units at some of whose steps no parameter gets a gradient."""

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        y, backward = self._dense.forward(x, params, ctx)
        factor = 0.0 if ctx.step in self._at else 1.0
        return y, lambda dy, grads: backward(factor * dy, grads)


class Fragile(Failing):
    """A dense layer of 4 units whose outputs in training are infinite where they are above a limit."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self._limit = limit

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        y, backward = self._dense.forward(x, params, ctx)
        return (np.where(y > self._limit, np.inf, y) if ctx.training else y), backward
