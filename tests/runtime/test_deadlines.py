"""Whoever calls Ray does so through a `call` that has a deadline: Ray waits without an end for what is gone."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import dist_bp

PACKAGE = Path(dist_bp.__file__).parent
LOCAL = ("is_initialized", "remote")
"""Of the module `ray`: these ask no other process."""
GUARDS = ("call", "_call")
WITHIN = {
    "runtime/hosts.py": {"started"},
    "runtime/pool.py": {"take", "keep"},
    "runtime/probe.py": {"measure_exchange"},
    "runtime/replies.py": {"answer_of", "lives"},
    "runtime/cluster.py": {"free_nodes"},
}
"""What other files hand to a guard, or call in a thread that nobody waits for, as their documentation asks."""
ALONE = {"submit/killer.py": "signal.alarm("}
"""A program that ends itself, and by what."""
FILES = [path for part in ("runtime", "sweep", "train", "submit") for path in sorted((PACKAGE / part).glob("*.py"))]
Unit = ast.FunctionDef | ast.Lambda


class Calls:
    """Of a file: which functions ask Ray, by whom they are used, and which are handed to a guard."""

    def __init__(self, text: str) -> None:
        tree = ast.parse(text)
        self.asking: list[Unit] = []
        self._handed: set[Unit] = set()
        self._inner: set[Unit] = set()
        self._users: defaultdict[str, list[Unit | None]] = defaultdict(list)
        """By name; those that only hand it to a guard are left out."""
        self._from_ray = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "ray"
            for alias in node.names
        }
        self._visit(tree, None)

    def without_a_guard(self, within: set[str]) -> Iterator[Unit]:
        """Functions that ask Ray, or use one that does, and whom others may call."""
        pending, seen = list(self.asking), {*self.asking}
        while pending:
            unit = pending.pop()
            if unit in self._handed:
                continue
            if isinstance(unit, ast.Lambda) or (unit not in self._inner and not unit.name.startswith("_")):
                if isinstance(unit, ast.Lambda) or unit.name not in within:
                    yield unit
                continue
            users = self._users[unit.name]
            if None in users:
                yield unit
            new = [user for user in users if user and user not in seen]
            pending += new
            seen.update(new)

    def _visit(self, node: ast.AST, unit: Unit | None, handed: bool = False) -> None:
        if isinstance(node, Unit):
            if unit:
                self._inner.add(node)
            if handed:
                self._handed.add(node)
            unit = node
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load) and not handed:
            self._users[node.attr if isinstance(node, ast.Attribute) else node.id].append(unit)
        guard = False
        if isinstance(node, ast.Call):
            guard = isinstance(node.func, ast.Attribute) and node.func.attr in GUARDS
            if unit and unit not in self.asking and self._asks(node.func):
                self.asking.append(unit)
        for child in ast.iter_child_nodes(node):
            self._visit(child, unit, guard and child is not node.func if isinstance(node, ast.Call) else False)

    def _asks(self, function: ast.expr) -> bool:
        if isinstance(function, ast.Name):
            return function.id in self._from_ray and function.id[0].islower()
        if not isinstance(function, ast.Attribute):
            return False
        if ast.unparse(function.value) in ("ray", "self._ray"):
            return function.attr not in LOCAL
        return function.attr == "remote"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_call_of_ray_has_a_deadline(path: Path) -> None:
    name, text = str(path.relative_to(PACKAGE)), path.read_text()
    if name in ALONE:
        assert ALONE[name] in text
        return
    found = [f"{name}:{unit.lineno}" for unit in Calls(text).without_a_guard(WITHIN.get(name, set()))]
    assert not found, f"{found} call Ray without a deadline: hand them to Cluster.call"


ASKED = """
import ray
class Nodes:
    def asked(self): return self.cluster.call("asked", self._ask)
    def _ask(self): return self._listed()
    def _listed(self): return ray.nodes()
"""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("    def other(self): return self.cluster.call('killed', lambda: ray.kill(self.actor))", []),
        ("    def other(self): return self._listed()", ["other"]),
        ("    def other(self): return [actor.end.remote() for actor in self.actors]", ["other"]),
        ("    def other(self): return self.cluster.call('asked', self._ask())", ["other"]),
        ("listed = Nodes()._listed()", ["_listed"]),
    ],
)
def test_one_without_is_found(line: str, found: list[str]) -> None:
    assert [getattr(unit, "name", "") for unit in Calls(ASKED + line).without_a_guard(set())] == found
