"""A job with other values of some settings: the trials of a sweep, and whether its spaces can be such values."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from dist_bp.config.document import Path
from dist_bp.config.job import JobConfig
from dist_bp.config.overrides import set_value
from dist_bp.config.problems import Problem, lines
from dist_bp.errors import ConfigError

Finding = tuple[str, str]
"""A varied key and what is wrong with its space."""
Check = Callable[[JobConfig, Mapping[str, Any]], list[str]]


def with_values(config: JobConfig, values: Mapping[str, Any]) -> JobConfig:
    """The job of one trial: `values` by dotted key, without the sweep.

    Raises ConfigError with a line for each value that does not fit.
    """
    data = config.model_dump(mode="json", exclude={"sweep"})
    wrong: list[str] = []
    for key in sorted(values, key=_depth):
        try:
            data, _ = set_value(data, tuple(key.split(".")), values[key])
        except ValueError as error:
            wrong.append(f"{key}: {error}")
    if wrong:
        raise ConfigError(wrong)
    try:
        return JobConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(lines(error)) from error


def check_spaces(config: JobConfig, wrong: Check | None = None) -> Iterator[Finding]:
    """What is wrong with the spaces of a sweep, found by trying their ends and values.

    `wrong` says what is wrong with the job of such values; by default whether it is a valid configuration.

    A value may need others to be valid: it is wrong if it fits neither the job as it is nor one where all
    settings are varied.
    """
    sweep, wrong = config.sweep, wrong or _wrong
    if sweep is None:
        return
    first = {key: space.probes()[0] for key, space in sweep.spaces.items()}
    for key, space in sweep.spaces.items():
        for value in space.probes():
            alone = wrong(config, {key: value})
            if alone and wrong(config, {**first, key: value}):
                yield key, f"the value {value!r}: {'; '.join(alone)}"
                break


def space_problems(config: JobConfig) -> list[Problem]:
    """The findings of `check_spaces` at their places in the file."""
    found = []
    for key, message in check_spaces(config):
        path: Path = ("sweep", "parameters", key)
        found.append(Problem(path, path, message))
    return found


def _wrong(config: JobConfig, values: Mapping[str, Any]) -> list[str]:
    try:
        with_values(config, values)
    except ConfigError as error:
        return error.problems
    return []


def _depth(key: str) -> int:
    """A mapping is replaced before a setting within it."""
    return key.count(".")
