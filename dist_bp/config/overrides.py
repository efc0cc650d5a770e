"""Overrides of a configuration file: `train.optimizer.learning_rate=1e-2`, `model.layers.0.units=64`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dist_bp.components import KINDS
from dist_bp.config.component import OWN_PATTERN
from dist_bp.config.document import Document, NotYaml, Path

SPACES: Path = ("sweep", "parameters")


@dataclass(frozen=True)
class Override:
    """One override as given, and the place that it sets."""

    text: str
    path: Path

    def reach(self, path: Path) -> int:
        """How many leading keys this place has in common with another."""
        same = 0
        for mine, other in zip(self.path, path, strict=False):
            if mine != other:
                break
            same += 1
        return same


def apply_overrides(data: Any, texts: Sequence[str]) -> tuple[Any, list[Override], list[str]]:
    """The data with all overrides, those in force, and what is wrong with the others. Later ones win."""
    applied: list[Override] = []
    problems: list[str] = []
    for text in texts:
        try:
            path, value = _parse(text)
            data, path = set_value(data, path, value)
        except ValueError as error:
            problems.append(f"override {text}: {error}")
            continue
        applied = [other for other in applied if other.reach(path) < len(path)]
        applied.append(Override(text, path))
    return data, applied, problems


def set_value(data: Any, path: Path, value: Any) -> tuple[Any, Path]:
    """A copy of the data with another value at the path, and the path with numbers where the data has lists.

    Raises ValueError where the data has no such place.
    """
    path = _with_indices(data, path)
    return _replace(data, path, value), path


def _parse(text: str) -> tuple[Path, Any]:
    key, equals, value = text.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path):
        raise ValueError("must have the form key=value, such as train.epochs=20")
    try:
        document = Document(value)
    except NotYaml as error:
        raise ValueError(f"the value is not valid YAML: {error.reason}") from error
    if document.duplicates:
        raise ValueError(f"the value gives the key {document.duplicates[0].path[-1]!r} twice")
    return path, document.data


def _with_indices(data: Any, path: Path) -> Path:
    """The path with numbers in place of text where the data has lists, and keys with dots in one piece."""
    result: Path = ()
    rest = list(path)
    while rest:
        key = rest.pop(0)
        if result == SPACES:  # each key there is that of a setting, dots and all
            key, rest = _with_dots([str(key), *map(str, rest)], data)
        place = ".".join(map(str, result))
        if isinstance(data, list):
            if not (str(key).isdecimal() and int(key) < len(data)):
                allowed = f"0 to {len(data) - 1}" if data else "none, it is empty"
                raise ValueError(f"{place} has no entry {key!r} (allowed: {allowed})")
            key = int(key)
            data = data[key]
        elif isinstance(data, dict):
            data = data.get(key)
        elif _is_component(data):
            data = None  # its name alone, which may be given options
        elif data is not None:
            raise ValueError(f"{place} is a single value, it has no key {key!r}")
        result = (*result, key)
    return result


def _with_dots(keys: list[str], data: Any) -> tuple[str, list[str | int]]:
    """The first key, with dots, that `data` has, and the keys that are left; all of them where it has none."""
    ends = [end for end in range(1, len(keys) + 1) if isinstance(data, dict) and ".".join(keys[:end]) in data]
    end = max(ends, default=len(keys))
    return ".".join(keys[:end]), [*keys[end:]]


def _is_component(value: Any) -> bool:
    """Whether a text is the name of a component, ours or the user's own."""
    return isinstance(value, str) and (any(value in kind.rows for kind in KINDS) or bool(re.match(OWN_PATTERN, value)))


def _replace(data: Any, path: Path, value: Any) -> Any:
    """A copy of the data with another value at the path; mappings missing on the way are made."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(data, list):
        return [_replace(item, rest, value) if index == key else item for index, item in enumerate(data)]
    data = {"type": data} if _is_component(data) else data or {}
    return {**data, key: _replace(data.get(key), rest, value)}
