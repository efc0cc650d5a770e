"""Components in a configuration: the choice by `type`, the user's own, and the way from a section to the object."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, StringConstraints, ValidationError, model_validator
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from dist_bp.component import options, takes_any_option
from dist_bp.components import KINDS, Kind
from dist_bp.config.derive import derive
from dist_bp.config.fields import TAG, Named, Section
from dist_bp.config.problems import lines
from dist_bp.errors import ConfigError, OptionError
from dist_bp.plugins import import_function, import_own, own_words

OWN = "module:Name"
"""Stands for all names of the user's own."""
OWN_PATTERN = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
OWN_CODE = "own_code"
"""The key of the validation context that lets the user's own modules be imported, so that their options are checked."""


class ComponentSection(Section):
    """The options of a component and its `type`."""

    # Layers contain layers: what a section is made of may not be known yet while it is defined.
    model_config = ConfigDict(defer_build=True, protected_namespaces=())
    __kind__: ClassVar[Kind]

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (self.__kind__.name, self.type, dict(self))  # type: ignore[attr-defined]


class OpenSection(ComponentSection):
    """The options of a component that takes any."""

    model_config = ConfigDict(extra="allow")


class Custom(Section):
    """Something of the user's own, named `module:Name`; further keys become its keyword arguments."""

    model_config = ConfigDict(extra="allow")
    __kind__: ClassVar[Kind]

    type: Annotated[str, StringConstraints(pattern=OWN_PATTERN)] = Field(
        description="module:Name of your own class or function; all further keys are its keyword arguments."
    )

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (self.__kind__.name, self.type, dict(self))

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _options_are_arguments(self) -> Self:
        strangers = [name for name in self.options if not name.isidentifier()]
        if strangers:
            raise ValueError(f"{', '.join(map(repr, strangers))} cannot be the name of a keyword argument")
        return self


class Of:
    """Annotation of a component: the key `type` alone decides which section validates the mapping.

    A text in place of the mapping is its `type`, without further options.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        members = {
            name: core_schema.no_info_after_validator_function(_check_together, handler.generate_schema(section))
            for name, section in sections(self.kind).items()
        }
        if self.kind.own:
            members[OWN] = core_schema.with_info_after_validator_function(
                _check_own, handler.generate_schema(custom_section(self.kind))
            )
        mapping = core_schema.tagged_union_schema(
            {TAG + name: member for name, member in members.items()},
            discriminator=_tag,
            custom_error_type="unknown_type",
            custom_error_message="unknown type",
            custom_error_context={"allowed": ", ".join(members)},
        )
        written = core_schema.union_schema([*_names(self.kind), mapping])
        return core_schema.no_info_before_validator_function(_by_type, mapping, json_schema_input_schema=written)


def _by_type(value: Any) -> Any:
    return Named(type=value) if isinstance(value, str) else value


def _names(kind: Kind) -> Iterator[CoreSchema]:
    """The texts that can stand for a component: the names of those without required options, and the user's own."""
    free = [name for name, found in kind.classes().items() if not any(option.required for option in options(found))]
    if free:
        yield core_schema.literal_schema(free)
    if kind.own:
        yield core_schema.str_schema(pattern=OWN_PATTERN)


@cache
def section_of(component: Callable[..., Any], type_name: str) -> type[ComponentSection]:
    """The section of a class or function. Raises ConfigError where an argument cannot be an option."""
    base = OpenSection if takes_any_option(component) else ComponentSection
    return derive(component, type_name, base, lambda kind: Annotated[Any, Of(kind)])


@cache
def sections(kind: Kind) -> Mapping[str, type[ComponentSection]]:
    """The section of each component of a kind, by `type`."""
    found = {name: section_of(component, name) for name, component in kind.classes().items()}
    for section in found.values():
        section.__kind__ = kind
    return found


@cache
def custom_section(kind: Kind) -> type[Custom]:
    """The section of the user's own components of a kind."""
    title = "".join(word.capitalize() for word in kind.name.split())
    doc = f"A {kind.name}, as a {kind.own}, of the user's own."
    return type(f"Custom{title}", (Custom,), {"__doc__": doc, "__module__": __name__, "__kind__": kind})


def restore(kind_name: str, type_name: str, values: dict[str, Any]) -> Section:
    """A section as another process pickled it: its class is made here, too, from the same component."""
    kind = next(kind for kind in KINDS if kind.name == kind_name)
    section = custom_section(kind) if ":" in type_name else sections(kind)[type_name]
    return section.model_construct(**values)


def component_of(section: Any) -> Callable[..., Any] | None:
    """The class that a section is built to; None for the user's own."""
    return None if isinstance(section, Custom) else section.__kind__.find(section.type)


def construct(section: Any, **defaults: Any) -> Any:
    """The component of a section. `defaults` are for options of that name that are null, but of the user's own.

    Raises ConfigError for the user's own where its options do not fit or its code fails.
    """
    if isinstance(section, Custom):
        return _build_own(section, defaults)
    return section.__kind__.find(section.type)(**_arguments(section, defaults))


def own_options(section: Custom) -> dict[str, Any]:
    """The options of the user's own code, checked against its signature. Raises ConfigError."""
    return _given(_checked(section))


def _build_own(section: Custom, defaults: Mapping[str, Any]) -> Any:
    arguments = {name: _built(value, defaults) for name, value in _given(_checked(section)).items()}
    with own_words(section.type, "making it"):
        return own_code(section)(**arguments)


def _arguments(section: Section, defaults: Mapping[str, Any]) -> dict[str, Any]:
    given = _given(section)
    for name, value in defaults.items():
        if name in given and given[name] is None:
            given[name] = value
    return {name: _built(value, defaults) for name, value in given.items()}


def _given(section: Section) -> dict[str, Any]:
    return {name: value for name, value in section if name != "type"}


def _built(value: Any, defaults: Mapping[str, Any]) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(_built(item, defaults) for item in value)
    if isinstance(value, dict):
        return {name: _built(item, defaults) for name, item in value.items()}
    return construct(value, **defaults) if isinstance(value, ComponentSection | Custom) else value


def own_code(section: Custom) -> Callable[..., Any]:
    """The class or function that a section names. Raises ConfigError where it is nothing of the section's kind."""
    kind = section.__kind__
    if kind.own == "function":
        return import_function(section.type)
    found = import_own(section.type)
    if not (isinstance(found, type) and issubclass(found, kind.base)):
        base = f"{kind.base.__module__.rpartition('.')[0]}.{kind.base.__name__}"
        raise ConfigError(f"{section.type}: is no {kind.name}: it must be a class derived from {base}")
    return found


def own_section(section: Custom) -> type[ComponentSection]:
    """The section that the signature of the user's own code asks for. Raises ConfigError."""
    found = own_code(section)
    with own_words(section.type, "reading its signature"):
        return section_of(found, section.type)


def _checked(section: Custom) -> ComponentSection:
    """The options in the section derived from the signature. Raises ConfigError."""
    try:
        return own_section(section).model_validate({"type": section.type, **section.options})
    except ValidationError as error:
        raise ConfigError([f"{section.type}: {line}" for line in lines(error)]) from error


def _check_own(section: Custom, info: core_schema.ValidationInfo) -> Custom:
    if not (info.context or {}).get(OWN_CODE):
        return section
    try:
        derived = own_section(section)
    except ConfigError as error:
        raise _at("type", "; ".join(error.problems).removeprefix(f"{section.type}: "), section) from error
    derived.model_validate({"type": section.type, **section.options}, context=info.context)
    return section


def _check_together(section: Any) -> Any:
    """Lets the constructor say what one option asks of another."""
    if _holds_own(section):
        return section  # the user's own code is not run to validate
    try:
        construct(section)
    except OptionError as error:
        raise _at(error.option, error.reason, section) from error
    except ConfigError as error:
        raise ValueError("; ".join(error.problems)) from error
    return section


def _holds_own(section: Section) -> bool:
    inner = [part for _, value in section for part in parts(value)]
    return isinstance(section, Custom) or any(_holds_own(part) for part in inner)


def parts(value: Any) -> Iterator[Section]:
    """The sections within the value of an option."""
    if isinstance(value, Section):
        yield value
    elif isinstance(value, tuple | list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from parts(item)


def _at(option: str, reason: str, section: Section) -> ValidationError:
    details = InitErrorDetails(
        type="value_error", loc=(option,), input=getattr(section, option, None), ctx={"error": ValueError(reason)}
    )
    return ValidationError.from_exception_data(type(section).__name__, [details])


def _tag(value: Any) -> str | None:
    name = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    if not isinstance(name, str):
        return None
    return TAG + (OWN if ":" in name else name)
