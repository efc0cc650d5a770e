"""What is wrong with a value of an annotated type."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
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


def metadata_within(hint: Any) -> Iterator[Any]:
    """What a type and the members of a union in it are annotated with."""
    yield from metadata(hint)
    bare = bare_type(hint)
    for member in get_args(bare) if is_union(bare) else ():
        yield from metadata_within(member)


def bare_type(hint: Any) -> Any:
    """The type without what it is annotated with."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)


def violation(hint: Any, value: Any) -> str | None:
    """What is wrong with a value of an annotated type; None where nothing is, or nothing can be said."""
    if get_origin(hint) is Annotated:
        wrong = violation(bare_type(hint), value)
        return wrong or next((text for part in metadata(hint) if (text := _limit(part, value))), None)
    if is_union(hint):
        return _violation_of_all(get_args(hint), value)
    if get_origin(hint) is Literal:
        return None if value in get_args(hint) else _not_one_of(get_args(hint), value)
    if (item := item_type(hint)) is not None:
        return _violation_within(item, value)
    if (item := value_type(hint)) is not None:
        return _violation_of_values(item, value)
    return _wrong_type(hint, value)


def item_type(hint: Any) -> Any:
    """The type of the items of a list, a sequence or a tuple of any length; None for all other types."""
    origin, arguments = get_origin(hint), get_args(hint)
    several = origin in (list, Sequence) or (origin is tuple and arguments[1:] == (...,))
    return arguments[0] if several else None


def value_type(hint: Any) -> Any:
    """The type of the values of a mapping from texts; None for all other types."""
    arguments = get_args(hint)
    return arguments[1] if get_origin(hint) in (dict, Mapping) and arguments[0] is str else None


def _violation_of_values(item: Any, values: Any) -> str | None:
    if not isinstance(values, Mapping):
        return f"must be a mapping, got {values!r}"
    return _violation_within(item, [*values.values()])


def _violation_within(item: Any, values: Any) -> str | None:
    if isinstance(values, str) or not isinstance(values, Iterable):
        return f"must be several values, got {values!r}"
    if isinstance(values, Iterator):
        return None  # looking would use it up
    return next((text for value in values if (text := violation(item, value))), None)


def _violation_of_all(members: Sequence[Any], value: Any) -> str | None:
    """A text must fit one of the texts, where there are any, several values one that takes several, and all else one
    of the other members."""
    meant = [member for member in members if is_text(member) == isinstance(value, str)] or members
    several = isinstance(value, Iterable) and not isinstance(value, str | Mapping)
    meant = [member for member in meant if (item_type(bare_type(member)) is not None) == several] or meant
    problems = [violation(member, value) for member in meant]
    return None if None in problems else next(text for text in problems if text)


def is_text(hint: Any) -> bool:
    """Whether all values of a type are text."""
    bare = bare_type(hint)
    return bare is str or (get_origin(bare) is Literal and all(isinstance(value, str) for value in get_args(bare)))


_TYPES: dict[Any, tuple[type, str]] = {
    bool: (bool, "True or False"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
    NoneType: (NoneType, "None"),
}


def _wrong_type(hint: Any, value: Any) -> str | None:
    if hint not in _TYPES:
        return None  # a class of its own kind may take what another form of it is written as
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
        case MinLen(least) if isinstance(value, Sized) and len(value) < least:
            return "must not be empty" if least == 1 else f"must have at least {least} entries, got {len(value)}"
        case MaxLen(most) if isinstance(value, Sized) and len(value) > most:
            return f"must have at most {most} entries, got {len(value)}"
        case OneOf(names=names) if isinstance(value, str) and value not in names:
            return _not_one_of(names, value)
    return None


def _not_one_of(names: Sequence[Any], value: Any) -> str:
    return f"must be one of {', '.join(map(str, names))}, got {value!r}"
