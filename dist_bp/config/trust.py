"""Code that a configuration names, and whether it may run: a file from elsewhere runs none by itself."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from dist_bp.config.component import OWN_PATTERN
from dist_bp.config.job import JobConfig
from dist_bp.errors import UntrustedCode


def code_of_model(config: JobConfig) -> list[str]:
    """Every `module:Name` that layers and loss name: what a prediction runs."""
    return sorted(set(_named([config.model.layers, config.loss])))


def code_of_data(config: JobConfig) -> list[str]:
    """Every `module:name` that the source of the data names."""
    return sorted(set(_named(config.data.source)))


def named_code(config: JobConfig) -> list[str]:
    """Every `module:Name` that stands as a type anywhere in the configuration."""
    return sorted(set(_named(config)))


def params_name_code(params: Mapping[str, object]) -> bool:
    """Whether the parameters of a run, as `flatten` gives them, name code in layers, loss or data."""
    types = (str(value) for key, value in params.items() if key.endswith(".type") and not key.startswith("sweep"))
    return any(":" in name for name in types)


def check_trusted(names: list[str], trust_code: bool, whose: object) -> None:
    """Raises UntrustedCode where there are names and nobody said that what `whose` names may run."""
    if names and not trust_code:
        raise UntrustedCode(
            f"{whose} names code that is not of dist_bp, {', '.join(names)}: --trust-code (in Python trust_code=True) "
            "lets it run; give it only where you trust who made the model"
        )


def _named(value: Any, own: bool = False) -> Iterator[str]:
    """All types with a colon, also in what the user's own components are given, which is not validated yet.

    There (`own`) any text of that form may stand for a component.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, dict):
        own = own or ":" in str(value.get("type"))
        for key, inner in value.items():
            yield from [inner] if key == "type" and ":" in str(inner) else _named(inner, own)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _named(inner, own)
    elif own and isinstance(value, str) and re.match(OWN_PATTERN, value):
        yield value
