"""Layers one after another."""

from collections.abc import Iterator, Mapping, Sequence

from dist_bp.errors import OptionError, ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layout import part_name
from dist_bp.nn.types import NO_VIEWS, Backward, Views
from dist_bp.signals import Ragged, Signal, Spec

MOST_LAYERS = 10_000
"""Of one network; those within others count."""


class Sequential(Layer):
    """Each layer's output is the next one's input; a layer's name is its index.

    A layer object may stand in several places: its parameters and memory are those of the place.
    """

    positionwise = False

    def __init__(self, layers: Sequence[Layer]) -> None:
        if (count := sum(layer.count for layer in layers)) > MOST_LAYERS:
            raise OptionError("layers", f"make {count:,} layers, and a network may have {MOST_LAYERS:,}")
        unrolled = [inner for layer in layers for inner in layer.unrolled()]
        self.layers = tuple((str(index), layer) for index, layer in enumerate(unrolled))

    @property
    def count(self) -> int:
        return sum(layer.count for _, layer in self.layers)

    def declarations(self, spec: Spec) -> Iterator[tuple[str, Layer, Declaration]]:
        """(name, layer, declaration) of each layer. Raises ShapeError naming the one that does not fit."""
        for name, layer in self.layers:
            try:
                declaration = layer.declare(spec)
            except ShapeError as error:
                raise ShapeError([f"layer {name}: {problem}" for problem in error.problems]) from None
            yield name, layer, declaration
            spec = declaration.output

    def declare(self, spec: Spec) -> Declaration:
        inner = {name: declaration for name, _, declaration in self.declarations(spec)}
        return _joined(inner, [*inner.values()][-1].output if inner else spec)

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        needs_input_grad = ctx.needs_input_grad
        steps: list[tuple[str, Backward]] = []
        for name, layer in self.layers:
            own = params.get(name, NO_VIEWS)
            child = ctx.child(name, needs_input_grad)
            if layer.positionwise and type(x) is Ragged:
                y, step_back = layer.forward(x.values, own, child)
                x = Ragged(y, x.lengths)
            else:
                x, step_back = layer.forward(x, own, child)
            steps.append((name, step_back))
            needs_input_grad = needs_input_grad or own is not NO_VIEWS

        def backward(dy: Signal, grads: Gradients) -> Signal:
            for name, step_back in reversed(steps):
                dx = step_back(dy, grads.child(name))
                if dx is None:
                    return None
                dy = dx
            return dy

        return x, backward


def declared_beside(rows: Mapping[str, Sequential], specs: Mapping[str, Spec]) -> Declaration:
    """What named rows of layers make, each of its own input: outputs by name, the rest with the name before it.

    Raises ShapeError with the problems of all.
    """
    inner: dict[str, Declaration] = {}
    problems: list[str] = []
    for name, row in rows.items():
        try:
            inner[name] = row.declare(specs[name])
        except ShapeError as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
    if problems:
        raise ShapeError(problems)
    return _joined(inner, {name: one.output for name, one in inner.items()})


def _joined(inner: Mapping[str, Declaration], output: Spec) -> Declaration:
    return Declaration(
        output,
        {f"{part_name(name)}.{key}": value for name, one in inner.items() for key, value in one.parameters.items()},
        {f"{part_name(name)}.{key}": value for name, one in inner.items() for key, value in one.statistics.items()},
    )
