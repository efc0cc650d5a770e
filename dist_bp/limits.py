"""What is wrong with a value of an annotated type."""

from collections.abc import Sequence
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen

from dist_bp.options import OneOf


def metadata(hint: Any) -> tuple[Any, ...]:
    """What an Annotated type is annotated with, limits one by one."""
    if get_origin(hint) is not Annotated:
        return ()
    parts: list[Any] = []
    for part in get_args(hint)[1:]:
        parts += part if isinstance(part, GroupedMetadata) else [part]
    return tuple(parts)


def bare_type(hint: Any) -> Any:
    """The type without what it is annotated with."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)


def violation(hint: Any, value: Any) -> str | None:
    """What is wrong with a value of an annotated type; None where nothing is, or nothing can be said."""
    if get_origin(hint) is Annotated:
        wrong = violation(get_args(hint)[0], value)
        limits = (_limit(part, value) for part in metadata(hint))
        return wrong or next((text for text in limits if text), None)
    if is_union(hint):
        return _violation_of_all(get_args(hint), value)
    if get_origin(hint) is Literal:
        return None if value in get_args(hint) else _not_one_of(get_args(hint), value)
    if get_origin(hint) in (tuple, list, Sequence):
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            return f"must be several values, got {value!r}"
        return next((text for item in value if (text := violation(get_args(hint)[0], item))), None)
    return _wrong_type(hint, value)


def _violation_of_all(members: Sequence[Any], value: Any) -> str | None:
    """A union's value must fit one member; the one that it nearly fits says what is wrong."""
    problems = [violation(member, value) for member in members]
    if None in problems:
        return None
    near = [problem for member, problem in zip(members, problems, strict=True) if _is_meant(member, value)]
    return (near or problems)[0]


def _is_meant(member: Any, value: Any) -> bool:
    """Whether a value that does not fit this member of a union is at least of its kind."""
    bare = bare_type(member)
    if get_origin(bare) is Literal:
        return isinstance(value, str)
    if get_origin(bare) in (tuple, list, Sequence):
        return not isinstance(value, str) and hasattr(value, "__iter__")
    return member is not NoneType and not _wrong_type(bare, value)


_TYPES: dict[Any, tuple[type, str]] = {
    bool: (bool, "True or False"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
    NoneType: (NoneType, "None"),
}


def _wrong_type(hint: Any, value: Any) -> str | None:
    if hint is Any or hint not in _TYPES:
        return (
            None
            if hint is Any or not isinstance(hint, type) or isinstance(value, hint)
            else f"must be a {hint.__name__}"
        )
    kind, words = _TYPES[hint]
    fits = isinstance(value, kind) and (hint is bool or not isinstance(value, bool))
    return None if fits else f"must be {words}, got {value!r}"


def _limit(part: Any, value: Any) -> str | None:
    match part:
        case Ge(ge) if not value >= ge:
            return f"must be at least {ge:g}, got {value!r}"
        case Gt(gt) if not value > gt:
            return f"must be greater than {gt:g}, got {value!r}"
        case Le(le) if not value <= le:
            return f"must be at most {le:g}, got {value!r}"
        case Lt(lt) if not value < lt:
            return f"must be less than {lt:g}, got {value!r}"
        case MinLen(least) if len(value) < least:
            return "must not be empty" if least == 1 else f"must have at least {least} entries, got {len(value)}"
        case MaxLen(most) if len(value) > most:
            return f"must have at most {most} entries, got {len(value)}"
        case OneOf(names=names) if isinstance(value, str) and value not in names:
            return _not_one_of(names, value)
    return None


def _not_one_of(names: Sequence[Any], value: Any) -> str:
    return f"must be one of {', '.join(map(str, names))}, got {value!r}"
