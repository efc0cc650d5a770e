"""What the spaces of a sweep share."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from dist_bp.component import Component
from dist_bp.errors import ConfigError
from dist_bp.options import Doc, MinLen


class Space(Component):
    """The values that a setting may have in a sweep; `countable`: they can be listed."""

    countable: bool

    @abstractmethod
    def probes(self) -> list[Any]:
        """Values that a setting must be able to take if it can take all of the space."""


@dataclass(frozen=True, kw_only=True)
class Listed(Space):
    """What spaces of named values have."""

    values: Annotated[Sequence[Any], MinLen(1), Doc("The values; a value may be a list or a mapping.")]
    countable = True

    def probes(self) -> list[Any]:
        return list(self.values)


class Range(Space):
    """What spaces between two ends have."""

    low: float
    high: float
    countable = False

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ConfigError(f"low must be less than high, got low {self.low:g} and high {self.high:g}")

    def probes(self) -> list[Any]:
        return [self.low, self.high]

    def nearest(self, value: Any) -> Any:
        """The value of the space that is nearest to another one."""
        low, high = self.probes()
        return min(max(value, low), high)
