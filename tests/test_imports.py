"""Imports point one way: a part of the house knows only those below it; what it has from elsewhere is declared."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dist_bp"

# Each line may import from the lines below it, and from its own.
LAYERS = [
    ["cli", "__main__"],
    ["sweep", "submit"],
    ["train"],
    ["runtime", "track", "serve"],
    ["ps", "build"],
    ["scoring", "spelling"],
    ["config"],
    ["components"],
    ["data", "nn", "optim", "metrics", "tuning", "checkpoint"],
    ["component", "images", "limits", "media", "options", "sounds"],
    [
        "control_group",
        "errors",
        "files",
        "foreign",
        "groups",
        "imports",
        "messages",
        "plugins",
        "processes",
        "signals",
        "typed",
        "types",
    ],
]
LEVEL = {name: level for level, names in enumerate(reversed(LAYERS)) for name in names}
ONLY_IN = {
    "ray": ("runtime/", "sweep/", "submit/"),
    "mlflow": ("track/mlflow_",),
}
ALONE = ("data", "nn", "optim", "metrics", "tuning", "checkpoint")
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
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "find_spec":  # its files are read
            yield from (name.value for name in node.args if isinstance(name, ast.Constant))


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
            assert other == part or LEVEL[other] < LEVEL[part], f"{relative} imports its neighbour {name}"


def test_every_part_has_a_place() -> None:
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} - {"__init__"}
    assert parts <= set(LEVEL)


def test_what_is_imported_is_declared_and_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {distribution(line) for line in project["dependencies"]}
    used = {name.partition(".")[0] for path in FILES for name in imports(path)} - sys.stdlib_module_names - {"dist_bp"}
    providers = packages_distributions()
    sources = {name: {distribution(source) for source in providers[name]} for name in used}
    assert {name for name, of_it in sources.items() if not of_it & declared} == set()
    assert declared - set().union(*sources.values()) == set()
    assert declared <= {distribution(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}


def distribution(line: str) -> str:
    """The name at the beginning of a requirement, spelled as an index compares it."""
    return re.split(r"[^\w.-]", line, maxsplit=1)[0].lower().replace("_", "-")
