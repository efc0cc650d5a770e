"""Layers one after another."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

from dist_bp.errors import OptionError, ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layout import part_name
from dist_bp.nn.types import NO_VIEWS, Backward, Views
from dist_bp.signals import Ragged, Signal, Spec, numbers_in

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

    @cached_property
    def _owners(self) -> dict[str, str]:
        """The layer whose parameters each one works with: mostly itself."""
        before: dict[str, Layer] = {}
        owners = {}
        for name, layer in self.layers:
            with _named(name):
                owners[name] = layer.owner(before) or name
            before[name] = layer
        return owners

    @property
    def continues(self) -> bool:
        return all(layer.continues for _, layer in self.layers)

    def declarations(self, spec: Spec) -> Iterator[tuple[str, Layer, Declaration]]:
        """(name, layer, declaration) of each layer. Raises ShapeError naming the one that does not fit."""
        made: dict[str, Declaration] = {}
        for name, layer in self.layers:
            owner = self._owners[name]
            with _named(name):
                made[name] = layer.declare(spec) if owner == name else layer.declare_beside(spec, made[owner])
            yield name, layer, made[name]
            spec = made[name].output

    def declare(self, spec: Spec) -> Declaration:
        inner = {name: declaration for name, _, declaration in self.declarations(spec)}
        for name, owner in self._owners.items():
            if owner != name:
                inner[owner] = inner[owner].shared()
        return _joined(inner, [*inner.values()][-1].output if inner else spec)

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        needs_input_grad = ctx.needs_input_grad
        owners = self._owners
        steps: list[tuple[str, Backward]] = []
        for name, layer in self.layers:
            owner = owners[name]
            own = params.get(owner, NO_VIEWS)
            child = ctx.child(name, needs_input_grad)
            if layer.positionwise and type(x) is Ragged:
                y, step_back = layer.forward(x.values, own, child)
                x = Ragged(y, x.lengths)
            else:
                x, step_back = layer.forward(x, own, child)
            steps.append((owner, step_back))
            needs_input_grad = needs_input_grad or own is not NO_VIEWS

        def backward(dy: Signal, grads: Gradients) -> Signal:
            for owner, step_back in reversed(steps):
                dx = step_back(dy, grads.child(owner))
                if dx is None:
                    return None
                dy = dx
            return dy

        return x, backward


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Says of which layer the problems are."""
    try:
        yield
    except ShapeError as error:
        raise ShapeError([f"layer {name}: {problem}" for problem in error.problems]) from None


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
        max((max(one.largest, numbers_in(one.output)) for one in inner.values()), default=0),
    )
