"""Derivatives of formulas in NumPy, by the chain rule over each operation: what networks are compared with.

Nothing of the product is in here: a convolution is a product of the windows' numbers picked one by one, a norm is its
formula, and no gradient is written down for more than one operation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dist_bp.types import Array

Pull = Callable[[Array], Array]
"""From the derivative by a result to that by one of what it is made of."""
OUTSIDE = -1
"""In place of an index: a zero."""


@dataclass(frozen=True, eq=False)
class Value:
    """An array and what it was made of."""

    data: Array
    sources: tuple[tuple["Value", Pull], ...] = ()

    def __add__(self, other: "Value | Array | float") -> "Value":
        other = value(other)
        return Value(self.data + other.data, ((self, lambda d: fit(d, self)), (other, lambda d: fit(d, other))))

    def __mul__(self, other: "Value | Array | float") -> "Value":
        other = value(other)
        return Value(
            self.data * other.data,
            ((self, lambda d: fit(d * other.data, self)), (other, lambda d: fit(d * self.data, other))),
        )

    def __sub__(self, other: "Value | Array | float") -> "Value":
        return self + value(other) * -1.0

    def __matmul__(self, other: "Value") -> "Value":
        """(..., k) @ (k, m)."""
        rows, columns = other.data.shape
        return Value(
            self.data @ other.data,
            (
                (self, lambda d: d @ other.data.T),
                (other, lambda d: self.data.reshape(-1, rows).T @ d.reshape(-1, columns)),
            ),
        )

    def each(self, function: Callable[[Array], Array], slope: Callable[[Array], Array]) -> "Value":
        return Value(function(self.data), ((self, lambda d: d * slope(self.data)),))

    def tanh(self) -> "Value":
        return self.each(np.tanh, lambda x: 1 - np.tanh(x) ** 2)

    def relu(self) -> "Value":
        return self.each(lambda x: x * (x > 0), lambda x: x > 0)

    def power(self, exponent: float) -> "Value":
        return self.each(lambda x: x**exponent, lambda x: exponent * x ** (exponent - 1))

    def sum(self, axis: int | tuple[int, ...] | None = None) -> "Value":
        """The axes stay, with the length 1."""
        total = self.data.sum(axis=axis, keepdims=True)
        return Value(total, ((self, lambda d: np.broadcast_to(d, self.data.shape)),))

    def mean(self, axis: int | tuple[int, ...]) -> "Value":
        total = self.sum(axis)
        return total * (total.data.size / self.data.size)

    def reshape(self, *shape: int) -> "Value":
        return Value(self.data.reshape(shape), ((self, lambda d: d.reshape(self.data.shape)),))

    def pick(self, index: Array) -> "Value":
        """The elements at indices of the flat array, zeros where they are OUTSIDE."""

        def pull(d: Array) -> Array:
            flat = np.zeros(self.data.size + 1)
            np.add.at(flat, index, d)
            return flat[:-1].reshape(self.data.shape)

        return Value(np.append(self.data, 0.0)[index], ((self, pull),))


def value(x: "Value | Array | float") -> Value:
    return x if isinstance(x, Value) else Value(np.asarray(x, float))


def fit(d: Array, source: Value) -> Array:
    """Sums a derivative over the axes along which the source was repeated."""
    shape = source.data.shape
    if d.shape == shape:
        return d
    d = d.sum(axis=tuple(range(d.ndim - len(shape))))
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 != d.shape[axis])
    return np.asarray(d.sum(axis=repeated, keepdims=True))


def derivatives(of: Value, by: Mapping[str, Value]) -> dict[str, Array]:
    """Of a single number by the named arrays."""
    order: list[Value] = []
    seen: set[int] = set()

    def visit(one: Value) -> None:
        if id(one) not in seen:
            seen.add(id(one))
            for source, _ in one.sources:
                visit(source)
            order.append(one)

    visit(of)
    found: dict[int, Any] = {id(of): np.ones(of.data.shape)}
    for one in reversed(order):
        for source, pull in one.sources:
            found[id(source)] = found.get(id(source), 0.0) + pull(found[id(one)])
    return {name: found.get(id(one), np.zeros(one.data.shape)) for name, one in by.items()}


def side_by_side(values: Sequence[Value]) -> Value:
    """Along the last axis."""
    edges = np.cumsum([0, *(one.data.shape[-1] for one in values)])

    def pull(start: int, stop: int) -> Pull:
        return lambda d: d[..., start:stop]

    sources = tuple((one, pull(*edges[i : i + 2])) for i, one in enumerate(values))
    return Value(np.concatenate([one.data for one in values], axis=-1), sources)


def windows(
    shape: tuple[int, ...], size: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], same: bool
) -> Array:
    """Flat indices (n, rows', columns', channels, *size) of the windows of images (n, rows, columns, channels)."""
    reach = [(n - 1) * apart + 1 for n, apart in zip(size, dilation, strict=True)]
    margins = [(0, 0), (0, 0)]
    if same:
        lacking = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(shape[1:3], stride, reach, strict=True)]
        margins = [(total // 2, total - total // 2) for total in lacking]
    places = np.pad(np.arange(np.prod(shape)).reshape(shape), [(0, 0), *margins, (0, 0)], constant_values=OUTSIDE)
    every = np.lib.stride_tricks.sliding_window_view(places, reach, axis=(1, 2))
    return every[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]


def convolution(
    x: Value,
    weight: Value,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    same: bool = True,
) -> Value:
    """x (n, rows, columns, channels), weight (height, width, channels / groups, filters): each group by itself."""
    height, width, channels, filters = weight.data.shape
    index = windows(x.data.shape, (height, width), stride, dilation, same)
    numbers = np.arange(weight.data.size).reshape(-1, filters)
    parts = []
    for group in range(groups):
        own = index[:, :, :, group * channels : (group + 1) * channels]
        ordered = np.moveaxis(own, 3, -1).reshape(*own.shape[:3], -1)
        columns = numbers[:, group * filters // groups : (group + 1) * filters // groups]
        parts.append(x.pick(ordered) @ weight.pick(columns))
    return side_by_side(parts)


def largest(x: Value, size: tuple[int, int]) -> Value:
    """Of each of the windows next to each other."""
    index = windows(x.data.shape, size, size, (1, 1), same=False)
    index = index.reshape(*index.shape[:4], -1)
    at = x.data.reshape(-1)[index].argmax(axis=-1)
    return x.pick(np.take_along_axis(index, at[..., np.newaxis], axis=-1)[..., 0])


def normal(x: Value, axis: int | tuple[int, ...], epsilon: float = 1e-5) -> Value:
    """Mean 0 and variance 1 over the axes."""
    centred = x - x.mean(axis)
    return centred * ((centred * centred).mean(axis) + epsilon).power(-0.5)


def cross_entropy(outputs: Value, labels: Array) -> Value:
    """Of each row (n, k) -> (n, 1)."""
    shifted = outputs - outputs.data.max(axis=-1, keepdims=True)
    total = shifted.each(np.exp, np.exp).sum(-1).each(np.log, lambda x: 1 / x)
    rows, classes = outputs.data.shape
    return total - shifted.pick((np.arange(rows) * classes + labels)[:, np.newaxis])


def squared_error(outputs: Value, targets: Array) -> Value:
    """Of each row, the mean over its units: (n, k) -> (n, 1)."""
    errors = outputs - targets
    return (errors * errors).mean(-1)
