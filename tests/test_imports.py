"""Imports point one way: a part of the house knows only those below it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "dist_bp"

# Each line may import from the lines below it, and from its own.
LAYERS = [
    ["cli", "__main__"],
    ["sweep", "submit"],
    ["train"],
    ["runtime", "track", "serve"],
    ["ps", "build"],
    ["config", "data", "nn", "optim", "metrics", "checkpoint"],
    ["errors", "groups", "messages", "plugins", "processes", "types"],
]
LEVEL = {name: level for level, names in enumerate(reversed(LAYERS)) for name in names}
ONLY_IN = {
    "ray": ("runtime/", "sweep/", "submit/"),
    "mlflow": ("track/mlflow_",),
}
ALONE = ("config", "data", "nn", "optim", "metrics", "checkpoint")
"""Parts of one line that do not know each other either."""


def imports(path: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, within functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            yield from (f"{base}.{alias.name}" for alias in node.names)


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    relative = path.relative_to(PACKAGE)
    part = relative.parts[0].removesuffix(".py")
    for name in imports(path):
        top, _, rest = name.partition(".")
        for package, places in ONLY_IN.items():
            assert top != package or str(relative).startswith(places), f"{relative} imports {package}"
        if top != "dist_bp" or part == "__init__":
            continue
        other = rest.partition(".")[0]
        assert other in LEVEL, f"{relative} imports {name}, which has no place in the layers"
        assert LEVEL[other] <= LEVEL[part], f"{relative} imports {name} from above"
        if part in ALONE:
            assert other in (part, *LAYERS[-1]), f"{relative} imports its neighbour {name}"


def test_every_part_has_a_place() -> None:
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} - {"__init__"}
    assert parts <= set(LEVEL)
