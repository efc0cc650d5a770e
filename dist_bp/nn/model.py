"""A stack of layers bound to what it takes."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from dist_bp.errors import ConfigError, ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.layer import Layer
from dist_bp.nn.layers.sequential import Sequential
from dist_bp.nn.layout import Layout, Table, aligned_zeros
from dist_bp.nn.types import Backward, Views
from dist_bp.signals import Field, Signal, Spec, longest_of, misfit, numbers_in
from dist_bp.types import Array, Shape

SIGNAL_BYTES = 2**26
FEWEST_ROWS, MOST_ROWS = 32, 1024


class AtATime(NamedTuple):
    """How much goes through a network at once where there is no step: at most so many samples, and of ragged ones, as
    they are padded, so many positions; one sample at least."""

    rows: int
    positions: int


class LayerSummary(NamedTuple):
    """One line of a model's summary; `parameters` is their number."""

    name: str
    kind: str
    output: Spec
    parameters: int


class Model:
    """Layers and where their parameters lie: immutable and without arrays, so it is shared and copied freely.

    `layout` places the parameters, `statistics_layout` the non-trainable state; `decayed` are the slices of the
    parameter vector that weight decay applies to, `tables` the parameters whose gradients come by rows. Raises
    ShapeError where the layers do not fit, naming the first that does not.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        input_spec: Spec | Shape,
        dtype: Literal["float32", "float64"] = "float32",
    ) -> None:
        if dtype not in ("float32", "float64"):
            raise ConfigError(f"a model computes in float32 or float64, not in {dtype}")
        self.input_spec = Field(input_spec) if isinstance(input_spec, tuple) else input_spec
        self.dtype = np.dtype(dtype)
        field = self.input_spec
        plain = isinstance(field, Field) and field.kind == "float" and not field.ragged
        self._rows_of = field.shape if isinstance(field, Field) and plain else None
        self._stack = Sequential(layers)
        declaration = self._stack.declare(self.input_spec)
        self._parameters = declaration.parameters
        self._statistics = declaration.statistics
        if not isinstance(declaration.output, Field):
            raise ShapeError(f"the last layer must give one output, it gives {', '.join(declaration.output)}")
        self.output = declaration.output
        self._largest = max(declaration.largest, numbers_in(self.input_spec))
        self.layout = Layout((name, item.shape) for name, item in self._parameters.items())
        self.statistics_layout = Layout((name, item.shape) for name, item in self._statistics.items())
        self.decayed = self.layout.slices(lambda name: self._parameters[name].decay)
        self.tables = tuple(
            Table(entry.name, entry.offset, entry.shape[0], math.prod(entry.shape[1:]))
            for entry in self.layout.entries
            if self._parameters[entry.name].rows
        )

    @property
    def statistic_momentum(self) -> Array:
        """The momentum of each element of the statistics vector, in the model's dtype."""
        momentum = aligned_zeros(self.statistics_layout.size, self.dtype)
        for entry in self.statistics_layout.entries:
            momentum[entry.offset : entry.stop] = self._statistics[entry.name].momentum
        return momentum

    @property
    def at_a_time(self) -> AtATime:
        """So much that the largest signal between layers is of some 64 MiB, or what 32 samples are that are no longer
        than the specification says; at most 1024 samples. The shapes alone decide."""
        numbers = SIGNAL_BYTES // self.dtype.itemsize
        rows = numbers // max(1, self._largest)
        rows = max(FEWEST_ROWS, min(MOST_ROWS, rows // FEWEST_ROWS * FEWEST_ROWS))
        longest = longest_of(self.input_spec)
        return AtATime(rows, max(rows * longest, numbers * longest // max(1, self._largest)))

    def summary(self) -> list[LayerSummary]:
        """One line a layer, in order."""
        return [
            LayerSummary(
                name,
                layer.kind,
                declaration.output,
                Layout((key, item.shape) for key, item in declaration.parameters.items()).size,
            )
            for name, layer, declaration in self._stack.declarations(self.input_spec)
        ]

    def initialize(self, seed: int) -> tuple[Array, Array]:
        """New (parameters, statistics) vectors; each parameter depends on the seed and its own name alone."""
        parameters = aligned_zeros(self.layout.size, self.dtype)
        for entry in self.layout.entries:
            generator = np.random.default_rng([seed, *entry.name.encode()])
            values = self._parameters[entry.name].initializer(generator, entry.shape)
            parameters[entry.offset : entry.stop] = values.reshape(-1)
        statistics = aligned_zeros(self.statistics_layout.size, self.dtype)
        for entry in self.statistics_layout.entries:
            statistics[entry.offset : entry.stop] = self._statistics[entry.name].initial
        return parameters, statistics

    @property
    def layers_of_whole_samples(self) -> list[str]:
        """Those that cannot take samples a part at a time, as people know them: "layer 1, attention"."""
        return [f"layer {name}, {layer.kind}" for name, layer in self._stack.layers if not layer.continues]

    def in_parts(self) -> "Model":
        """The same layers and parameters for samples that come a part at a time, see `Context.begin`.

        Raises ShapeError where they need whole samples, naming the first layer that does.
        """
        spec, layers = self.input_spec, self._stack.layers
        whole = [f"{name}, needs whole samples" for name in self.layers_of_whole_samples]
        if not isinstance(spec, Field) or not (spec.ragged or spec.shape):
            whole = [f"the model takes {spec if isinstance(spec, Field) else ', '.join(spec)}, and no sequences"]
        elif not whole and not spec.ragged:
            spec = replace(spec, shape=spec.shape[1:], ragged=True, longest=spec.shape[0])
        if whole:
            raise ShapeError(f"samples cannot come a part at a time: {whole[0]}")
        model = Model([layer for _, layer in layers], spec, self.dtype.name)  # type: ignore[arg-type]
        if model.layout.shapes != self.layout.shapes:
            raise ShapeError("samples cannot come a part at a time: the layers have weights for whole ones")
        return model

    def output_of(self, spec: Spec) -> Field:
        """What comes out for samples as `spec` describes them, such as those of another length. Raises ShapeError."""
        output = self._stack.declare(spec).output
        assert isinstance(output, Field)
        return output

    def computing_in(self, dtype: Literal["float32", "float64"]) -> "Model":
        """The same layers for the same samples."""
        return Model([layer for _, layer in self._stack.layers], self.input_spec, dtype)

    def context(self, seed: int, needs_input_grad: bool = False) -> Context:
        """A root context with its own workspace: one for each thread or process that runs the model."""
        return Context.root(self.dtype, seed, needs_input_grad)

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        """`x`, signals of `input_spec` -> (outputs, signals of `output`, backward); see `Layer.forward`.

        The outputs are valid until the next forward in this context. Raises ShapeError for other signals.
        """
        rows = type(x) is np.ndarray and x.dtype == self.dtype and x.shape[1:] == self._rows_of
        if not rows and (wrong := misfit(x, self.input_spec, self.dtype)):
            raise ShapeError(f"the model takes {wrong}")
        return self._stack.forward(x, params, ctx)
