"""What is wrong with a configuration, in one line each: pydantic's errors in the words of the file."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dist_bp.config.document import Path
from dist_bp.config.fields import BESIDE_TEXT, TAG, TEXT_BESIDE, Named
from dist_bp.messages import did_you_mean, nearest


@dataclass(frozen=True)
class Problem:
    """`path` is the place that is wrong; `message` says how, of the place named by `about`."""

    path: Path
    about: Path
    message: str


_MESSAGES = {
    "bool_type": "must be true or false, got {got}",
    "dict_type": "must be a mapping, got {got}",
    "finite_number": "must be finite, got {got}",
    "float_type": "must be a number, got {got}",
    "greater_than": "must be greater than {gt:g}, got {got}",
    "greater_than_equal": "must be at least {ge:g}, got {got}",
    "int_from_float": "must be a whole number, got {got}",
    "int_type": "must be a whole number, got {got}",
    "invalid_key": "a key must be text (quotes make it text)",
    "less_than": "must be less than {lt:g}, got {got}",
    "less_than_equal": "must be at most {le:g}, got {got}",
    "missing": "required key is missing",
    "model_type": "must be a mapping, got {got}",
    "string_pattern_mismatch": "must be module:Name, such as my_package.layers:Scale, got {got}",
    "string_too_long": "must be at most {max_length} characters long, got {got}",
    "string_too_short": "must not be empty",
    "string_type": "must be text, got {got} (quotes make it text)",
    "too_short": "must not be empty",
    "tuple_type": "must be a list, got {got}",
    "value_error": "{error}",
}


def problems(error: ValidationError) -> Iterator[Problem]:
    """The problems behind a validation error, one for each thing that is wrong: a key in place of a required one."""
    errors = error.errors(include_url=False)
    instead = _instead(errors)
    explained = {(*path[:-1], name) for path, names in instead.items() for name in names}
    for details in errors:
        path = _path(details)
        match details["type"]:
            case "missing" if path in explained:
                continue  # the unknown key's problem says it
            case "unknown_type":
                yield _unknown_type(path, details)
            case "unknown_metric":
                yield _at(path, _unknown("metric", details["input"], details["ctx"]["allowed"].split(", ")))
            case "literal_error":
                allowed = re.findall(r"'([^']*)'", details["ctx"]["expected"])
                _, _, other = str(details["loc"][-1]).partition(TEXT_BESIDE)
                yield _at(path, _unknown("value", details["input"], allowed, other))
            case "unknown_key":
                yield Problem(path, path[:-1], _unknown_key(path[-1], details["ctx"]["allowed"], instead[path]))
            case "disagreement":
                yield from disagreements(details["ctx"]["findings"])
            case "too_short" if len(details["input"]) != details["ctx"]["actual_length"]:
                continue  # pydantic counts the valid entries only: the wrong ones have problems of their own
            case kind:
                template = _MESSAGES.get(kind, details["msg"].replace("{", "{{").replace("}", "}}"))
                message = template.format(got=_got(details["input"]), **details.get("ctx", {}))
                if BESIDE_TEXT in details["loc"][-1:]:
                    message = message.replace("must be", "must be text or", 1)
                yield _at(path, message)


def _instead(errors: Sequence[ErrorDetails]) -> dict[Path, list[str]]:
    """Of each unknown key the required ones that are missing beside it.

    That which it was likely meant for; those that no key of the section was, it may stand for all.
    """
    missing = {_path(details) for details in errors if details["type"] == "missing"}
    unknown = {_path(details): details["ctx"]["allowed"] for details in errors if details["type"] == "unknown_key"}
    found: dict[Path, list[str]] = {}
    for path, allowed in unknown.items():
        guess = nearest(str(path[-1]), allowed)
        found[path] = [guess] if guess and (*path[:-1], guess) in missing else []
    missing -= {(*path[:-1], name) for path, names in found.items() for name in names}
    for path, allowed in unknown.items():
        if nearest(str(path[-1]), allowed) is None:
            found[path] = [name for name in allowed if (*path[:-1], name) in missing]
            missing -= {(*path[:-1], name) for name in found[path]}
    return found


def lines(error: ValidationError) -> list[str]:
    """The problems behind a validation error, each with the dotted key that it is about."""
    found = ((".".join(map(str, problem.about)), problem.message) for problem in problems(error))
    return [f"{key}: {message}" if key else message for key, message in found]


def disagreements(findings: Sequence[tuple[str, str]]) -> Iterator[Problem]:
    """The problems behind the findings of the checks between sections."""
    for dotted, message in findings:
        yield _at(tuple(int(key) if key.isdecimal() else key for key in dotted.split(".")), message)


def _at(path: Path, message: str) -> Problem:
    return Problem(path, path, message)


def _path(details: ErrorDetails) -> Path:
    """Where the error is, in the keys of the file."""
    return tuple(part for part in details["loc"] if not _is_tag(part) and part != "[key]")


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and part.startswith(TAG)


def _unknown(what: str, value: Any, allowed: Sequence[str], other: str = "") -> str:
    """`other` says what may be there that is not text."""
    if not isinstance(value, str):
        return f"must be one of {', '.join(allowed)}, got {_got(value)}"
    known = ", ".join(filter(None, [*allowed, other]))
    return f"unknown {what} {_got(value)}{did_you_mean(value, allowed)} (allowed: {known})"


def _unknown_key(name: Any, allowed: Sequence[str], missing: Sequence[str]) -> str:
    guess = did_you_mean(str(name), allowed)
    required = "" if guess or not missing else f"missing: {', '.join(missing)}; "
    return f"unknown key {_got(name)}{guess} ({required}allowed: {', '.join(allowed)})"


def _unknown_type(path: Path, details: ErrorDetails) -> Problem:
    value, allowed = details["input"], details["ctx"]["allowed"].split(", ")
    if not isinstance(value, dict):
        return _at(path, f"must be a name or a mapping such as {{type: {allowed[0]}}}, got {_got(value)}")
    if "type" not in value:
        if misspelt := next((key for key in value if nearest(str(key), ["type"])), None):
            message = f"unknown key {_got(misspelt)}: did you mean 'type'?"
            return Problem((*path, misspelt), path, f"{message} (allowed types: {', '.join(allowed)})")
        return _at((*path, "type"), f"required key is missing (allowed: {', '.join(allowed)})")
    return _at(path if isinstance(value, Named) else (*path, "type"), _unknown("type", value["type"], allowed))


def _got(value: Any) -> str:
    """A value in the words of YAML, short."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            text = repr(value) if isinstance(value, str | int | float) else str(value)
            return text if len(text) <= 60 else f"{text[:57]}..."
