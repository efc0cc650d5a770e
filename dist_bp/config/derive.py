"""The configuration section of a component, derived from its constructor: a field for each argument."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Strict, Tag, create_model

from dist_bp.component import Option, options, summary
from dist_bp.components import Kind, kind_of
from dist_bp.config.fields import BESIDE_TEXT, TAG, TEXT_BESIDE, Section, any_text_or_other, number, text_or
from dist_bp.errors import ConfigError
from dist_bp.limits import bare_type, is_text, is_union, item_type, metadata, value_type, violation
from dist_bp.options import OneOf

S = TypeVar("S", bound=Section)
Choose = Callable[[Kind], Any]


RESERVED = frozenset(name for name in dir(Section) if name.startswith("model_"))
"""What every section has of its own."""


class Unwritable(Exception):
    """A type whose values cannot be written in YAML."""


def derive(component: Callable[..., Any], type_name: str, base: type[S], choose: Choose) -> type[S]:
    """The section, derived from `base`, of a class, or of a function, that a configuration calls `type_name`.

    `choose` gives the annotation of an option that is itself a component. Raises ConfigError where an argument has a
    name that no option can have.
    """
    types = FieldTypes(choose)
    fields: dict[str, Any] = {"type": (Literal[type_name], Field(description=summary(component) or None))}
    for option in options(component):
        if option.name == "type" or option.name.startswith("_") or option.name in RESERVED:
            raise ConfigError(f"{type_name}: an option cannot be called {option.name!r}: rename the argument")
        fields[option.name] = (types.of_option(option), _field(option))
    name = getattr(component, "__name__", type_name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)
        return create_model(name, __base__=base, __doc__=summary(component), **fields)


def _field(option: Option) -> Any:
    default: Any = ... if option.required else option.default
    named = isinstance(default, str) and _may_be_component(option.hint)
    return Field(default=default, description=option.description or None, validate_default=named)


def _may_be_component(hint: Any) -> bool:
    bare = bare_type(hint)
    members = get_args(bare) if is_union(bare) else (bare,)
    return any(kind_of(bare_type(member)) for member in members)


class FieldTypes:
    """From the annotation of an argument to that of a field that takes the same from YAML."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose

    def of_option(self, option: Option) -> Any:
        try:
            return self.of(option.hint)
        except Unwritable:
            return Any

    def of(self, hint: Any) -> Any:
        """Raises Unwritable."""
        bare, limits = bare_type(hint), metadata(hint)
        names = next((part.names for part in limits if isinstance(part, OneOf)), None)
        kept = [part for part in limits if type(part).__module__ == "annotated_types"]
        if bare is float:
            kept.append(Field(allow_inf_nan=False))
        if bare in (int, float):
            kept.append(BeforeValidator(number))
        field = Literal[names] if names else self._of_bare(bare)
        return Annotated[(field, *kept)] if kept else field

    def _of_bare(self, hint: Any) -> Any:
        if kind := kind_of(hint):
            return self._choose(kind)
        if hint is bool:
            return Annotated[bool, Strict()]
        if hint in (int, float, str, Any) or (get_origin(hint) is Literal and is_text(hint)):
            return hint
        if get_origin(hint) is Literal:
            return Annotated[Any, AfterValidator(partial(_fitting, hint))]
        if is_union(hint):
            return self._of_union(get_args(hint))
        if (item := item_type(hint)) is not None:
            return list[self.of(item)] if get_origin(hint) is list else tuple[self.of(item), ...]  # type: ignore[misc]
        if (item := value_type(hint)) is not None:
            return dict[str, self.of(item)]  # type: ignore[misc]
        raise Unwritable

    def _of_union(self, members: Sequence[Any]) -> Any:
        """A text is only tried as a text and all else as something else, so that a wrong value has one problem.

        A component is written by its name, too: no text beside it means anything else.
        """
        if any(_may_be_component(member) for member in members):
            members = [member for member in members if not is_text(member)]
        texts: list[Any] = []
        others: list[Any] = []
        for member in members:
            with suppress(Unwritable):
                if member is not NoneType:
                    (texts if is_text(member) else others).append(self.of(member))
        if not texts and not others:
            raise Unwritable
        if len(others) > 1:  # pydantic would tell of each what does not fit
            others = [Annotated[Any, AfterValidator(partial(_fitting, _any_of(members)))]]
        written = [*texts, *others]
        if texts and others:
            any_text = any(bare_type(member) is str for member in members)
            what = _in_words(members)
            text, tag = (f"{TAG}text", BESIDE_TEXT) if any_text else (TEXT_BESIDE + what, f"{TAG}other")
            which = any_text_or_other if any_text else text_or(what)
            tagged = [Annotated[_any_of(texts), Tag(text)], Annotated[_any_of(others), Tag(tag)]]
            written = [Annotated[_any_of(tagged), Discriminator(which)]]
        return _any_of([*written, None] if NoneType in members else written)


def _in_words(members: Sequence[Any]) -> str:
    """What the members of a union are that are not text: empty where a number and a list are not all."""
    numbers = [member for member in members if bare_type(member) in (int, float)]
    lists = [member for member in members if item_type(bare_type(member)) is not None]
    return " or ".join(["a number"] * bool(numbers) + ["a list"] * bool(lists))


def _fitting(hint: Any, value: Any) -> Any:
    if problem := violation(hint, value):
        raise ValueError(problem)
    return value


def _any_of(types: Sequence[Any]) -> Any:
    return Union[tuple(types)]  # noqa: UP007
