"""A configuration as YAML, as flat parameters, and the JSON Schema of its files."""

from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter

from dist_bp.config.document import Dumper
from dist_bp.config.fields import Section, annotated
from dist_bp.config.job import JobConfig
from dist_bp.errors import ConfigError
from dist_bp.messages import did_you_mean


def render(config: JobConfig) -> str:
    """The complete configuration with all defaults; loading it gives an equal one."""
    return _yaml(config.model_dump(), width=110)


def flatten(config: JobConfig) -> dict[str, str | int | float]:
    """The configuration as dotted keys and values, such as `model.layers.0.units`: 128.

    What is neither number nor text is written as in YAML: true, null, [accuracy, r2].
    """
    return dict(_flat(config, ""))


def _flat(value: Any, key: str) -> Iterator[tuple[str, str | int | float]]:
    if isinstance(value, BaseModel):
        for name, inner in value:
            yield from _flat(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
        for index, item in enumerate(value):
            yield from _flat(item, f"{key}.{index}")
    elif isinstance(value, dict) and any(isinstance(item, BaseModel) for item in value.values()):
        for name, item in value.items():
            yield from _flat(item, f"{key}.{name}")
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield key, value
    else:
        yield (
            key,
            _yaml(value, default_flow_style=True, width=float("inf")).removesuffix("\n...\n").rstrip("\n"),
        )


def _yaml(value: Any, **style: Any) -> str:
    options = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, **style}
    text: str = yaml.dump(value, Dumper=Dumper, **options)
    return text


def json_schema(section: str | None = None) -> dict[str, Any]:
    """The JSON Schema of the configuration, or of a section of it such as `train` or `train.optimizer`.

    Raises ConfigError for a section that does not exist.
    """
    annotation: Any = JobConfig
    title = "dist_bp job"
    for name in section.split(".") if section else ():
        fields = annotation.model_fields if _is_section(annotation) else {}
        if name not in fields:
            raise ConfigError(
                f"unknown section {section!r}{did_you_mean(name, fields)} (allowed: {', '.join(fields) or 'none'})"
            )
        title, annotation = f"{title} {name}", annotated(fields[name])
    schema = TypeAdapter(annotation).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)
