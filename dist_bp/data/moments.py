"""Statistics of columns, gathered block by block in float64, so that the data may be larger than memory."""

import numpy as np

from dist_bp.types import Array


class Moments:
    """Count, mean and sum of squared deviations of each column.

    Blocks are merged by the pairwise formula of Chan, Golub and LeVeque (The American Statistician, 1983), which
    loses no digits where the mean is large beside the deviation.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: Array = np.zeros(())
        self.squares: Array = np.zeros(())

    def update(self, values: Array) -> None:
        """Takes in the rows of `values` (rows, *shape)."""
        rows = len(values)
        mean = values.mean(axis=0)
        deviations = values - mean
        squares = np.square(deviations, out=deviations).sum(axis=0)
        total = self.count + rows
        shift = mean - self.mean
        self.squares = self.squares + squares + np.square(shift) * (self.count * rows / total)
        self.mean = self.mean + shift * (rows / total)
        self.count = total

    @property
    def deviation(self) -> Array:
        """Standard deviation over all rows (divided by the count)."""
        return np.sqrt(self.squares / self.count)


class Extremes:
    """Smallest and largest value of each column."""

    def __init__(self) -> None:
        self.low: Array = np.asarray(np.inf)
        self.high: Array = np.asarray(-np.inf)

    def update(self, values: Array) -> None:
        """Takes in the rows of `values` (rows, *shape)."""
        self.low = np.minimum(self.low, values.min(axis=0))
        self.high = np.maximum(self.high, values.max(axis=0))


class Standard:
    """What gives each column mean 0 and standard deviation 1; a constant one becomes 0."""

    def __init__(self) -> None:
        self._moments, self._extremes = Moments(), Extremes()

    def update(self, values: Array) -> None:
        """Takes in the rows of `values` (rows, *shape)."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._moments.update(values)
            self._extremes.update(values)

    @property
    def result(self) -> tuple[Array, Array]:
        """What is to be subtracted first, and what to divide by then; not finite where the values are not."""
        moments, extremes = self._moments, self._extremes
        constant = (extremes.low == extremes.high) | (moments.deviation == 0)
        return np.where(constant, extremes.low, moments.mean), np.where(constant, 1.0, moments.deviation)


class PresentMean:
    """Mean of each column over the values that are not NaN; NaN where there are none."""

    def __init__(self) -> None:
        self.count: Array = np.zeros(())
        self.mean: Array = np.zeros(())

    def update(self, values: Array) -> None:
        """Takes in the rows of `values` (rows, *shape)."""
        present = ~np.isnan(values)
        self.count = self.count + present.sum(axis=0)
        deviations = np.where(present, values - self.mean, 0.0)
        self.mean = self.mean + deviations.sum(axis=0) / np.maximum(self.count, 1)

    @property
    def result(self) -> Array:
        return np.where(self.count > 0, self.mean, np.nan)
