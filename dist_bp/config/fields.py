"""What all configuration models share: the base class, number types, the choice of a model by its `type`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    Strict,
    StringConstraints,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

EXPONENT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
"""Numbers such as 1e-3, which YAML 1.1 takes for text."""

TAG = "type="
"""Marks, in the location of a pydantic error, the model that `type` chose: it is no key of a file."""


class Section(BaseModel):
    """A mapping of the configuration: immutable, with no other keys than its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Custom(Section):
    """Something of the user's own, named `module:Name`; further keys become its keyword arguments."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] = Field(
        description="module:Name of your own class or function; all further keys are its keyword arguments."
    )

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


class ByType:
    """Annotation of a union of sections: the key `type` alone decides which of them validates the mapping.

    Each member has a field `type`: a `Literal`, or, for `Custom`, any text with a colon.
    """

    def __get_pydantic_core_schema__(self, union: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        members: dict[str, type[Section]] = {}
        for member in get_args(union):
            members |= dict.fromkeys(type_names(member), member)
        return core_schema.tagged_union_schema(
            {TAG + name: handler.generate_schema(member) for name, member in members.items()},
            discriminator=_tag,
            custom_error_type="unknown_type",
            custom_error_message="unknown type",
            custom_error_context={"allowed": ", ".join(members)},
        )


CUSTOM = "module:Name"


def type_names(member: type[Section]) -> tuple[str, ...]:
    """The values of `type` that choose this section; `module:Name` stands for all names of the user's own."""
    return (CUSTOM,) if issubclass(member, Custom) else get_args(member.model_fields["type"].annotation)


def _tag(value: Any) -> str | None:
    name = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    if not isinstance(name, str):
        return None
    return TAG + (CUSTOM if ":" in name else name)


def text_or_other(value: Any) -> str:
    """Discriminator of a union of a keyword with something that is not text."""
    return TAG + ("text" if isinstance(value, str) else "other")


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"must be a number, got {str(value).lower()}")
    if isinstance(value, str):
        if EXPONENT.fullmatch(value):
            return float(value)
        raise ValueError(f"must be a number, got {value!r}")
    return value


Flag = Annotated[bool, Strict()]
Text = Annotated[str, StringConstraints(min_length=1)]

Whole = Annotated[int, Field(ge=0), BeforeValidator(_number)]
Count = Annotated[int, Field(ge=1), BeforeValidator(_number)]
Real = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_number)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_number)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_number)]
Fraction = Annotated[float, Field(ge=0, lt=1), BeforeValidator(_number)]
"""In [0, 1)."""
Share = Annotated[float, Field(gt=0, lt=1), BeforeValidator(_number)]
"""In (0, 1)."""
Ratio = Annotated[float, Field(ge=0, le=1), BeforeValidator(_number)]
"""In [0, 1]."""


def annotated(field: FieldInfo) -> Any:
    """The type of a field with its constraints, on its own."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
