"""What all configuration models share: the base class, and types of numbers and text."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    Strict,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from dist_bp import options

EXPONENT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
"""Numbers such as 1e-3, which YAML 1.1 takes for text."""

TAG = "type="
"""Marks, in the location of a pydantic error, the model that `type` chose: it is no key of a file."""
BESIDE_TEXT = f"{TAG}beside text"
"""Marks likewise what is in place of any text."""
TEXT_BESIDE = f"{TAG}text beside "
"""Marks a text in place of something else, which follows in words."""


class Named(dict[str, Any]):
    """The mapping of a component that was written as its name alone."""


class Section(BaseModel):
    """A mapping of the configuration: immutable, with no other keys than its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)

    @model_validator(mode="wrap")
    @classmethod
    def _say_which_keys_there_are(cls, value: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(_without_removed(cls.model_fields, value))
        except ValidationError as error:
            lines = [_with_keys(details, list(cls.model_fields)) for details in error.errors()]
            raise ValidationError.from_exception_data(cls.__name__, lines) from None


def is_optional_section(field: FieldInfo) -> bool:
    """Whether null stands for what the field is without being given: a section, a list or a table."""
    default = field.get_default(call_default_factory=True, validated_data={})
    return isinstance(default, Section | Mapping | tuple)


def _without_removed(fields: Mapping[str, FieldInfo], value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    optional = {name for name, field in fields.items() if is_optional_section(field)}
    return {key: item for key, item in value.items() if item is not None or key not in optional}


_PYDANTIC_ERRORS = get_args(ErrorType)


def _with_keys(details: ErrorDetails, keys: list[str]) -> InitErrorDetails:
    """The same error; that of an unknown key of this very section also says which keys are known."""
    kind: str | PydanticCustomError = details["type"]
    context = details.get("ctx", {})
    if kind == "extra_forbidden" and len(details["loc"]) == 1:
        kind = PydanticCustomError("unknown_key", "unknown key", {"allowed": keys})
    elif kind not in _PYDANTIC_ERRORS:
        kind = PydanticCustomError(kind, details["msg"], context)  # type: ignore[arg-type]
    return InitErrorDetails(type=kind, loc=details["loc"], input=details["input"], ctx=context)


def text_or(other: str) -> Callable[[Any], str]:
    """Discriminator of a union of a keyword with something that is not text, which `other` names in a message."""

    def which(value: Any) -> str:
        return TEXT_BESIDE + other if isinstance(value, str) else f"{TAG}other"

    return which


def any_text_or_other(value: Any) -> str:
    """The same where any text will do, which a message on something else says."""
    return TAG + "text" if isinstance(value, str) else BESIDE_TEXT


def number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"must be a number, got {str(value).lower()}")
    if isinstance(value, str):
        if EXPONENT.fullmatch(value):
            return float(value)
        raise ValueError(f"must be a number, got {value!r}")
    return value


Flag = Annotated[bool, Strict()]
Text = options.Text
Real = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(number)]
Whole = Annotated[options.Whole, BeforeValidator(number)]
Count = Annotated[options.Count, BeforeValidator(number)]
NonNegative = Annotated[options.NonNegative, Field(allow_inf_nan=False), BeforeValidator(number)]
Positive = Annotated[options.Positive, Field(allow_inf_nan=False), BeforeValidator(number)]
Fraction = Annotated[options.Fraction, BeforeValidator(number)]


def annotated(field: FieldInfo) -> Any:
    """The type of a field with its constraints, on its own."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
