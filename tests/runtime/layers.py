"""Layers of a user's own that raise, hang or are slow in the middle of training."""

import os
import signal
import time
from pathlib import Path

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
    """A dense layer of 4 units that takes its time at every step."""

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
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
