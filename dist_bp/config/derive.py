"""The configuration section of a component, derived from its constructor: a field for each argument."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import NoneType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Strict, Tag, create_model

from dist_bp.component import Option, options, summary, takes_any_option
from dist_bp.components import Kind, kind_of
from dist_bp.config.fields import TAG, Section, number, text_or_other
from dist_bp.errors import ConfigError
from dist_bp.limits import bare_type, is_union, metadata
from dist_bp.options import OneOf

Choose = Callable[[Kind], Any]


class ComponentSection(Section):
    """The options of a component and its `type`."""

    # Layers contain layers: what a section is made of may not be known yet while it is defined.
    model_config = ConfigDict(defer_build=True, protected_namespaces=())


class OpenSection(ComponentSection):
    """The options of a component that takes any."""

    model_config = ConfigDict(extra="allow")


class Unwritable(Exception):
    """A type whose values cannot be written in YAML."""


def derive(component: Callable[..., Any], type_name: str, choose: Choose) -> type[ComponentSection]:
    """The section of a class, or of a function, that a configuration calls `type_name`.

    `choose` gives the annotation of an option that is itself a component. Raises ConfigError where an argument has a
    name that no option can have.
    """
    types = FieldTypes(choose)
    fields: dict[str, Any] = {"type": (Literal[type_name], Field(description=summary(component) or None))}
    for option in options(component):
        if option.name == "type" or option.name.startswith("_"):
            raise ConfigError(f"{type_name}: an option cannot be called {option.name!r}: rename the argument")
        fields[option.name] = (types.of_option(option), _field(option))
    base = OpenSection if takes_any_option(component) else ComponentSection
    name = getattr(component, "__name__", type_name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)
        return create_model(name, __base__=base, __doc__=summary(component), **fields)


def _field(option: Option) -> Any:
    default = ... if option.required else option.default
    return Field(default=default, description=option.description or None, validate_default=False)


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
        if hint in (int, float, str, Any) or get_origin(hint) is Literal:
            return hint
        if is_union(hint):
            return self._of_union(get_args(hint))
        if get_origin(hint) in (tuple, list, Sequence):
            return tuple[self.of(get_args(hint)[0]), ...]  # type: ignore[misc]
        if get_origin(hint) in (dict, Mapping):
            return dict[str, self.of(get_args(hint)[1])]  # type: ignore[misc]
        raise Unwritable

    def _of_union(self, members: Sequence[Any]) -> Any:
        """A text is only tried as a text and all else as something else, so that a wrong value has one problem."""
        texts: list[Any] = []
        others: list[Any] = []
        for member in members:
            with suppress(Unwritable):
                if member is not NoneType:
                    (texts if _is_text(member) else others).append(self.of(member))
        if not texts and not others:
            raise Unwritable
        written = [*texts, *others]
        if texts and others:
            tagged = [Annotated[_any_of(texts), Tag(f"{TAG}text")], Annotated[_any_of(others), Tag(f"{TAG}other")]]
            written = [Annotated[_any_of(tagged), Discriminator(text_or_other)]]
        return _any_of([*written, None] if NoneType in members else written)


def _any_of(types: Sequence[Any]) -> Any:
    return Union[tuple(types)]  # noqa: UP007


def _is_text(hint: Any) -> bool:
    bare = bare_type(hint)
    return bare is str or (get_origin(bare) is Literal and all(isinstance(value, str) for value in get_args(bare)))
