"""The spaces of a sweep, in the words of Ray Tune."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from dist_bp.config.fields import ByType, Positive, Real, Section

Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class Listed(Section):
    """What spaces of named values have."""

    values: Values = Field(description="The values; a value may be a list or a mapping.")

    @property
    def countable(self) -> bool:
        return True

    def probes(self) -> list[Any]:
        return list(self.values)


class ChoiceSpace(Listed):
    """One of some values."""

    type: Literal["choice"] = Field(description="One of some values.")


class GridSpace(Listed):
    """Each of some values."""

    type: Literal["grid"] = Field(description="Each of some values in turn.")


class Range(Section):
    """What spaces between two ends have."""

    low: Real = Field(description="The lower end.")
    high: Real = Field(description="The upper end.")

    @model_validator(mode="after")
    def _low_is_below(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low must be less than high, got low {self.low:g} and high {self.high:g}")
        return self

    @property
    def countable(self) -> bool:
        return False

    def probes(self) -> list[Any]:
        """Values that a setting must be able to take if it can take all of the space."""
        return [self.low, self.high]

    def nearest(self, value: Any) -> Any:
        """The value of the space that is nearest to another one."""
        low, high = self.probes()
        return min(max(value, low), high)


class UniformSpace(Range):
    """Any number between two."""

    type: Literal["uniform"] = Field(description="Any number between low and high.")


class LogUniformSpace(Range):
    """Any number between two, its logarithm evenly spread."""

    type: Literal["loguniform"] = Field(description="Any number between low and high, its logarithm evenly spread.")
    low: Positive = Field(description="The lower end, above 0.")


class QUniformSpace(Range):
    """Numbers in equal steps."""

    type: Literal["quniform"] = Field(description="Numbers from low to high in steps of q.")
    q: Positive = Field(description="The step.")

    @property
    def steps(self) -> int:
        """How many steps fit between the ends."""
        return int((self.high - self.low) / self.q + 1e-9)

    def probes(self) -> list[Any]:
        return [self.low, self.low + self.steps * self.q]

    def nearest(self, value: Any) -> Any:
        return self.low + min(max(round((value - self.low) / self.q), 0), self.steps) * self.q


class RandIntSpace(Range):
    """Whole numbers."""

    type: Literal["randint"] = Field(description="Whole numbers from low to high, high itself excluded.")
    low: int = Field(description="The smallest number.")
    high: int = Field(description="One more than the largest number.")

    @property
    def countable(self) -> bool:
        return True

    def probes(self) -> list[Any]:
        return [self.low, self.high - 1]


class NormalSpace(Section):
    """Numbers around a mean."""

    type: Literal["normal"] = Field(description="Numbers around a mean.")
    mean: Real = Field(description="The mean.")
    sd: Positive = Field(description="The standard deviation.")

    @property
    def countable(self) -> bool:
        return False

    def probes(self) -> list[Any]:
        return [self.mean]


Space = Annotated[
    ChoiceSpace | GridSpace | UniformSpace | LogUniformSpace | QUniformSpace | RandIntSpace | NormalSpace,
    ByType(),
]
