"""A configuration as YAML, as flat parameters, and the JSON Schema of its files."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter

from dist_bp.config.component import Custom, own_section
from dist_bp.config.document import Document, Dumper, Path
from dist_bp.config.fields import Section, annotated
from dist_bp.config.job import JobConfig
from dist_bp.errors import ConfigError
from dist_bp.messages import did_you_mean, without_passwords


def render(config: JobConfig, comments: bool = False, store: bool = True, passwords: bool = True) -> str:
    """The complete configuration with all defaults; loading it gives an equal one.

    With `comments` every key has its description above it, those of the user's own components too: their modules are
    imported. Raises ConfigError where that fails. Without `store` nothing says where runs are recorded, which is then
    what the environment says. Without `passwords` those of URIs are masked, for files and records.
    """
    plain = _plain(config) if passwords else without_passwords(_plain(config))
    if not store:
        del plain["tracking"]["tracking_uri"]
    if not comments:
        return _yaml(plain, width=110)
    a_line_each = _yaml(plain, width=110, default_flow_style=False)
    return _commented(a_line_each, dict(_descriptions(config, ())))


def _plain(value: Any) -> Any:
    """A configuration as YAML has it; a component without options as its name."""
    if isinstance(value, Section):
        written = {name: _plain(inner) for name, inner in value}
        return written["type"] if _is_name(value) else written
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def _is_name(section: Section) -> bool:
    return [name for name, _ in section] == ["type"]


def _commented(text: str, descriptions: Mapping[Path, str]) -> str:
    document = Document(text)
    above: dict[int, list[str]] = {}
    for path, description in descriptions.items():
        above.setdefault(document.position(path)[0], []).append(description)
    written = []
    for number, line in enumerate(text.splitlines(), start=1):
        indent = line[: len(line) - len(line.lstrip())]
        written += [f"{indent}# {description}" for description in above.get(number, ())]
        written.append(line)
    return "\n".join(written) + "\n"


def _descriptions(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """What each key of a configuration means."""
    if isinstance(value, Section) and not _is_name(value):
        fields = (own_section(value) if isinstance(value, Custom) else type(value)).model_fields
        for name, inner in value:
            if name in fields and (description := fields[name].description):
                yield (*path, name), description
            yield from _descriptions(inner, (*path, name))
    elif isinstance(value, tuple | dict):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _descriptions(inner, (*path, key))


def flatten(config: JobConfig) -> dict[str, str | int | float]:
    """The configuration as dotted keys and values, such as `model.layers.0.units`: 128.

    What is neither number nor text is written as in YAML: true, null, [accuracy, r2].
    """
    return dict(_flat(config, ""))


def _flat(value: Any, key: str) -> Iterator[tuple[str, str | int | float]]:
    if isinstance(value, BaseModel):
        for name, inner in value:
            yield from _flat(inner, f"{key}.{name}" if key else name)
    elif _holds_sections(value):
        parts: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in parts:
            yield from _flat(item, f"{key}.{name}")
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield key, value
    else:
        yield key, inline(value)


def _holds_sections(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
    return any(isinstance(item, BaseModel) or _holds_sections(item) for item in inner)


def inline(value: Any) -> str:
    """A value as YAML in one line."""
    return _yaml(value, default_flow_style=True, width=float("inf")).removesuffix("\n...\n").rstrip("\n")


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
