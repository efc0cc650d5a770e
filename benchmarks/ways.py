"""A job trained in several ways, from the same start: what comes of each is told, and kept as JSON."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.machine import describe_machine, in_words

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = Mapping[str, Any]
"""Of the parameter server."""
Curve = TypeVar("Curve", bound="DataclassInstance")


def in_each_way(ways: Mapping[str, Settings], train: Callable[[Settings], Curve]) -> dict[str, Curve]:
    """What training with the settings of each way gives, by its name."""
    curves = {}
    for name, settings in ways.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        curves[name] = train(settings)
    return curves


def tell(curves: Mapping[str, Curve], table: str, about: str, figures: Mapping[str, Any], path: Path) -> None:
    """Prints the table and what it is about, and writes the curves, with other figures before them."""
    machine = describe_machine()
    print(table)
    print(f"{about}; {in_words(machine)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {"machine": machine, **figures, "curves": {name: asdict(curve) for name, curve in curves.items()}}
    path.write_text(json.dumps(found, indent=1) + "\n")
