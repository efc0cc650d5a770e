"""Layers of their own for each of several inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.sequential import Sequential, declared_beside
from dist_bp.nn.layout import part_name
from dist_bp.nn.types import NO_VIEWS, Backward, Views
from dist_bp.options import Doc, MinLen
from dist_bp.signals import Field, Signal, Spec
from dist_bp.types import Array


class Branches(Layer):
    """Sends each input through layers of its own and brings the results together.

    {name: (n, ...)} -> (n, ...): side by side along the last axis (`concat`), or their sum (`add`), or as they are
    (`none`), for a layer that takes named inputs.
    """

    positionwise = False

    def __init__(
        self,
        inputs: Annotated[
            Mapping[str, Sequence[Layer]], MinLen(1), Doc("The layers of each input by its name; none: as it is.")
        ],
        merge: Annotated[
            Literal["concat", "add", "none"],
            Doc("`concat` puts the results side by side, `add` adds them up, `none` keeps them apart by their names."),
        ] = "concat",
    ) -> None:
        self.branches = {name: Sequential(layers) for name, layers in inputs.items()}
        self.merge = merge

    @property
    def count(self) -> int:
        return sum(branch.count for branch in self.branches.values())

    def declare(self, spec: Spec) -> Declaration:
        if isinstance(spec, Field):
            raise ShapeError(
                f"branches takes several named inputs, here is one, {spec}: put its layers without branches"
            )
        unknown, left = [n for n in self.branches if n not in spec], [n for n in spec if n not in self.branches]
        problems = [f"branches: there is no input {name!r}, only {', '.join(spec)}" for name in unknown]
        problems += [f"branches: the input {name!r} has no layers: add `{name}: []`" for name in left]
        if problems:
            raise ShapeError(problems)
        inner = declared_beside(self.branches, spec)
        if self.merge == "none":
            return inner
        return replace(inner, output=self._merged(inner.output))  # type: ignore[arg-type]

    def _merged(self, outputs: Mapping[str, Field]) -> Field:
        shapes = ", ".join(f"{name} {field}" for name, field in outputs.items())
        fields = [*outputs.values()]
        if any(not isinstance(field, Field) or field.kind != "float" or field.ragged for field in fields):
            raise ShapeError(f"branches: each must end in numbers of one length, they end in {shapes}")
        alike = {field.shape if self.merge == "add" else field.shape[:-1] for field in fields}
        if len(alike) > 1 or (self.merge == "concat" and not fields[0].shape):
            remedy = (
                "end all in one shape, or use merge: concat" if self.merge == "add" else "end all in {type: flatten}"
            )
            raise ShapeError(f"branches: what they end in cannot be merged by {self.merge}, {shapes}: {remedy}")
        first = fields[0].shape
        return Field(first if self.merge == "add" else (*first[:-1], sum(field.shape[-1] for field in fields)))

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        outputs: list[Signal] = []
        backs: list[tuple[str, Backward]] = []
        for name, branch in self.branches.items():
            y, back = branch.forward(
                x[name], params.get(part_name(name), NO_VIEWS), ctx.child(part_name(name), ctx.needs_input_grad)
            )
            outputs.append(y)
            backs.append((name, back))
        if self.merge == "none":
            return self._apart(outputs, backs, ctx)
        merged = self._merge(outputs, ctx)

        def backward(dy: Array, grads: Gradients) -> Signal:
            found = {}
            for (name, back), part in zip(backs, self._parts(dy, outputs), strict=True):
                own = ctx.buffer(f"d.{name}", part.shape)
                np.copyto(own, part)
                found[name] = back(own, grads.child(part_name(name)))
            return found if ctx.needs_input_grad else None

        return merged, backward

    def _apart(
        self, outputs: Sequence[Signal], backs: Sequence[tuple[str, Backward]], ctx: Context
    ) -> tuple[Signal, Backward]:
        def backward(dy: Signal, grads: Gradients) -> Signal:
            found = {name: back(dy[name], grads.child(part_name(name))) for name, back in backs}
            return found if ctx.needs_input_grad else None

        return dict(zip(self.branches, outputs, strict=True)), backward

    def _merge(self, outputs: Sequence[Array], ctx: Context) -> Array:
        if self.merge == "concat":
            width = sum(output.shape[-1] for output in outputs)
            y = ctx.buffer("y", (*outputs[0].shape[:-1], width))
            for part, output in zip(self._parts(y, outputs), outputs, strict=True):
                np.copyto(part, output)
            return y
        y = ctx.buffer("y", outputs[0].shape)
        np.copyto(y, outputs[0])
        for output in outputs[1:]:
            np.add(y, output, out=y)
        return y

    def _parts(self, merged: Array, outputs: Sequence[Array]) -> list[Array]:
        """Those of `merged` that belong to each output: views."""
        if self.merge == "add":
            return [merged] * len(outputs)
        edges = np.cumsum([0, *(output.shape[-1] for output in outputs)])
        return [merged[..., start:stop] for start, stop in pairwise(edges.tolist())]
