"""The tables of choices in the documentation, printed from the components themselves."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dist_bp import components
from dist_bp.component import Option, options, summary
from dist_bp.components import Kind
from dist_bp.config.component import OWN
from dist_bp.config.output import inline
from dist_bp.errors import ConfigError
from dist_bp.messages import did_you_mean
from dist_bp.nn import INITIALIZERS

KINDS: dict[str, Kind] = {
    "sources": components.SOURCES,
    "preprocess": components.PREPROCESSORS,
    "layers": components.LAYERS,
    "activations": components.ACTIVATIONS,
    "losses": components.LOSSES,
    "metrics": components.METRICS,
    "optimizers": components.RULES,
    "schedules": components.SCHEDULES,
    "spaces": components.SPACES,
    "searches": components.SEARCHES,
    "schedulers": components.SCHEDULERS,
}
NAMES: dict[str, Mapping[str, Any]] = {"initializers": INITIALIZERS}
TABLES = (*KINDS, *NAMES)


def table(name: str) -> str:
    """One of TABLES in Markdown. Raises ConfigError for another name."""
    if name in KINDS:
        return _of_kind(KINDS[name])
    if name in NAMES:
        rows = [(f"`{key}`", getattr(value, "description", summary(value))) for key, value in NAMES[name].items()]
        return _markdown(("name", ""), rows)
    raise ConfigError(f"there is no table {name!r}{did_you_mean(name, TABLES)} (allowed: {', '.join(TABLES)})")


def _of_kind(kind: Kind) -> str:
    rows = [
        (f"`{name}`", summary(component), ", ".join(map(_shown, options(component))))
        for name, component in kind.classes().items()
    ]
    if kind.own:
        rows.append((f"`{OWN}`", f"A {kind.own} of your own.", "its arguments"))
    return _markdown(("`type`", "", "options and defaults"), rows)


def _shown(option: Option) -> str:
    return f"`{option.name}`" if option.required else f"`{option.name}: {inline(option.default)}`"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
