"""What is watched where nothing is held out to validate: a default that follows from another section."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from dist_bp.config.document import Path
from dist_bp.config.overrides import set_value


def with_default_monitors(data: Any) -> Any:
    """The raw data of a job; without a validation split what it says no monitor for watches train_loss."""
    if _at(data, ("data", "split", "validation")) != 0:
        return data
    monitors: list[Path] = [("checkpoint", "monitor"), ("train", "stop", "monitor")]
    schedule: Path = ("train", "schedule")
    if "plateau" in (_at(data, schedule), _at(data, (*schedule, "type"))):
        monitors.append((*schedule, "monitor"))
    if isinstance(_at(data, ("sweep",)), Mapping):
        monitors.append(("sweep", "metric"))
    for path in monitors:
        if _at(data, path) is None:
            with suppress(ValueError):  # the section is no mapping, which is told elsewhere
                data, _ = set_value(data, path, "train_loss")
    return data


def _at(data: Any, path: Path) -> Any:
    """The value at a path; None where there is none."""
    for key in path:
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data
