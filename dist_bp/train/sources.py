"""Digests of the code that a run is computed by."""

import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from dist_bp.plugins import is_own


@cache
def own_digest() -> str:
    """SHA-256 of dist_bp's own sources, names included."""
    root, found = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(f"{path.relative_to(root)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def digests_of_modules(names: Iterable[str]) -> dict[str, str]:
    """SHA-256 by module of the user's own files that objects called `module:Name` are from, and of those that they use.

    Modules that are not imported, or not from a file of the user's, are left out.
    """
    waiting, found = [name.partition(":")[0] for name in names], dict[str, str]()
    while waiting:
        module = sys.modules.get(name := waiting.pop())
        path = getattr(module, "__file__", None)
        if module is None or path is None or name in found or not is_own(path):
            continue
        found[name] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        waiting += _used(module)
    return dict(sorted(found.items()))


def _used(module: ModuleType) -> Iterator[str]:
    """The modules of what a module has imported."""
    for value in vars(module).values():
        name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if isinstance(name, str):
            yield name
