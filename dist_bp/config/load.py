"""Reads a job's configuration: YAML text -> overrides -> `JobConfig`, or everything that is wrong with it."""

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dist_bp.config.candidates import space_problems
from dist_bp.config.checks import findings, lookup_in
from dist_bp.config.component import OWN_CODE
from dist_bp.config.document import Document, Duplicate, NotYaml
from dist_bp.config.job import JobConfig
from dist_bp.config.monitors import with_default_monitors
from dist_bp.config.overrides import Override, apply_overrides
from dist_bp.config.problems import Problem, disagreements, problems
from dist_bp.errors import ConfigError
from dist_bp.files import read_file
from dist_bp.foreign import TEXT_BYTES

Place = tuple[tuple[bool, int], str]
"""A problem's rank (the lines of the file, then the overrides) and its text."""


def load_config(path: str | Path, overrides: Sequence[str] = (), own_code: bool = True) -> JobConfig:
    """The validated configuration of a file with `key=value` overrides (dotted keys, YAML values).

    With `own_code` the modules of the user's own layers, losses and sources are imported, and their options checked
    against the signatures; without, that is left to whoever builds them. Raises ConfigError with one line for each
    problem of the file and the overrides.
    """
    return _load(_read(path), path, overrides, own_code)


@lru_cache(maxsize=8)  # whoever goes on with a run looks at the same text several times, for some 15 ms each
def stored_config(text: str, path: str | Path) -> JobConfig:
    """The configuration that a checkpoint or model keeps, read from `path`; nothing that it names is imported,
    and the values of its sweep are not tried: they are of no use to a run that is over.

    Raises ConfigError.
    """
    return _load(_mapping(text, path), path, (), own_code=False, spaces=False)


def _load(
    document: Document, path: str | Path, overrides: Sequence[str], own_code: bool, spaces: bool = True
) -> JobConfig:
    data, applied, lines = apply_overrides(document.data, overrides)
    places = [_duplicate(key, path) for key in document.duplicates]
    config = None
    try:
        config = JobConfig.model_validate(data, context={OWN_CODE: own_code})
        if spaces:
            places += [_place(problem, path, document, applied) for problem in space_problems(config)]
    except ValidationError as error:
        places += [_place(problem, path, document, applied) for problem in _all_problems(error, data)]
    if config is None or places or lines:
        raise ConfigError([*dict.fromkeys(line for _, line in sorted(places, key=itemgetter(0))), *lines])
    return config


def _read(path: str | Path) -> Document:
    """The file as a mapping. Raises ConfigError."""
    try:
        text = read_file(path, TEXT_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: this is a directory, not a configuration file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: this is not UTF-8 text (byte {error.start}): not a YAML file?") from error
    return _mapping(text, path)


def _mapping(text: str, path: str | Path) -> Document:
    """A YAML text as a mapping. Raises ConfigError."""
    try:
        document = Document(text)
    except NotYaml as error:
        raise ConfigError(f"{path}:{error.line}:{error.column}: not valid YAML: {error.reason}") from error
    if document.data is None:
        raise ConfigError(f"{path}: the file is empty; required keys: {', '.join(_required())}")
    if not isinstance(document.data, dict):
        kind = "a list" if isinstance(document.data, list) else "a single value"
        raise ConfigError(f"{path}:{document.position(())[0]}: must be a mapping (key: value) at the top, got {kind}")
    return document


def _required() -> list[str]:
    return [name for name, field in JobConfig.model_fields.items() if field.is_required()]


def _all_problems(error: ValidationError, data: Any) -> list[Problem]:
    """What pydantic found, and what comparing the sections finds where pydantic did not come to that."""
    found = list(problems(error))
    if all(details["type"] != "disagreement" for details in error.errors()):
        found += disagreements(list(findings(lookup_in(JobConfig, with_default_monitors(data)))))
    return found


def _duplicate(key: Duplicate, path: str | Path) -> Place:
    text = f"{path}:{key.line}: {_dotted(key.path)}: duplicate key, first given in line {key.first_line}"
    return (False, key.line), text


def _place(problem: Problem, path: str | Path, document: Document, overrides: Sequence[Override]) -> Place:
    """Where a problem belongs.

    The value at a place is an override's if the override sets it, what it is part of, or, where the file has
    nothing, something beside it.
    """
    line, depth = document.position(problem.path)
    about = _dotted(problem.about)
    candidates = [
        (override.reach(problem.path), index)
        for index, override in enumerate(overrides)
        if override.reach(problem.path) in (len(override.path), *range(depth + 1, len(problem.path) + 1))
    ]
    if candidates:
        index = max(candidates)[1]
        override = overrides[index]
        said = override.text.startswith((f"{about}=", f"{about}.")) or not about
        return (True, index), f"override {override.text}: {'' if said else f'{about}: '}{problem.message}"
    return (False, line), f"{path}:{line}: {f'{about}: ' if about else ''}{problem.message}"


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path))
