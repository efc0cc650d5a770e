"""A YAML text as data that remembers its lines."""

import re
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from dist_bp.config.fields import EXPONENT
from dist_bp.foreign import NOT_ITS_TAG

DEEPEST = 100
"""Levels of lists and mappings within each other."""
TOO_DEEP = "nested too deeply"
MOST_NODES = 100_000
"""Keys and values that a text with aliases may stand for."""
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
Path = tuple[str | int, ...]
"""Keys and list indices from the top of a document to a value."""


class Loader(yaml.SafeLoader):
    """safe_load, but 1e-3 is a number, and every error has a line."""

    def fetch_flow_collection_start(self, token: Any) -> None:
        if self.flow_level >= DEEPEST:  # the scanner would look at all levels again with each token
            raise yaml.scanner.ScannerError(None, None, TOO_DEEP, self.get_mark())
        super().fetch_flow_collection_start(token)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except NOT_ITS_TAG as error:
            why = f": {error}"[:100] if isinstance(error, ValueError) else ""  # such as a date in the month 13
            text = f"{reprlib.repr(node.value)} is no {node.tag.rpartition(':')[2]}{why}"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark) from error
        if isinstance(value, str) and _UNWRITABLE.search(value):
            text = "a text holds a NUL character or half a character, which no name or path can have"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark)
        return value


class Dumper(yaml.SafeDumper):
    """safe_dump for `Loader`: it puts text that looks like a number in quotes, and writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _class in (Loader, Dumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))


class NotYaml(Exception):
    """The text is not YAML."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(reason)
        self.reason, self.line, self.column = reason, line, column


@dataclass(frozen=True)
class Duplicate:
    """A key that a mapping gives twice."""

    path: Path
    line: int
    first_line: int


class Document:
    """The data of a YAML text (None if it is empty), and where in the text its parts are.

    Raises NotYaml.
    """

    def __init__(self, text: str) -> None:
        loader = _loader(text)
        try:
            self._root: yaml.Node | None = loader.get_single_node()
            _check_size(self._root)
            self.duplicates = list(_duplicates(self._root)) if self._root else []
            self.data: Any = loader.construct_document(self._root) if self._root else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            reason = ", ".join(filter(None, (error.context, error.problem)))
            raise NotYaml(reason, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1) from error
        except RecursionError as error:
            raise NotYaml(TOO_DEEP, 1, 1) from error
        finally:
            loader.dispose()

    def position(self, path: Sequence[str | int]) -> tuple[int, int]:
        """The line (from 1) of the deepest part of `path` that the text holds, and how deep that is."""
        node = self._root
        if node is None:
            return 1, 0
        line = node.start_mark.line + 1
        for depth, key in enumerate(path):
            found = _child(node, key)
            if found is None:
                return line, depth
            line, node = found
        return line, len(path)


def _loader(text: str) -> Loader:
    try:
        return Loader(text)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        column = error.position - before.rfind("\n")
        character = f"the character {text[error.position]!r} is not allowed"
        raise NotYaml(character, before.count("\n") + 1, column) from error


def _child(node: yaml.Node, key: str | int) -> tuple[int, yaml.Node] | None:
    """The line and node of one entry of a mapping or list; of keys given twice, the last."""
    if isinstance(node, yaml.MappingNode):
        for name, value in reversed(node.value):
            if name.value == str(key):
                return name.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None


def _check_size(root: yaml.Node | None) -> None:
    """Raises ComposerError where aliases make very much of a short text, or it is nested very deeply."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, depth: int) -> int:
        if id(node) not in sizes:
            if depth > DEEPEST:
                raise yaml.composer.ComposerError(None, None, TOO_DEEP, node.start_mark)
            sizes[id(node)] = 0  # an alias within its own anchor, which is refused later
            inner = node.value if isinstance(node, yaml.CollectionNode) else ()
            parts = [part for item in inner for part in (item if isinstance(item, tuple) else (item,))]
            sizes[id(node)] = 1 + sum(size(part, depth + 1) for part in parts)
        return sizes[id(node)]

    if root and size(root, 0) > max(MOST_NODES, len(sizes)):
        text = f"its aliases make {sizes[id(root)]:,} values of {len(sizes):,}"
        raise yaml.composer.ComposerError(None, None, text, root.start_mark)


def _duplicates(root: yaml.Node) -> Iterator[Duplicate]:
    """The keys given twice, in all mappings. Raises ComposerError for an alias within its own anchor."""
    seen: set[int] = set()

    def walk(node: yaml.Node, path: Path, parents: tuple[int, ...]) -> Iterator[Duplicate]:
        if id(node) in parents:
            raise yaml.composer.ComposerError(None, None, "an alias refers to what it is part of", node.start_mark)
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            return
        seen.add(id(node))
        parents = (*parents, id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                yield from walk(item, (*path, index), parents)
            return
        lines: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in lines:
                    yield Duplicate((*path, key.value), line, lines[key.value])
                lines.setdefault(key.value, line)
                yield from walk(value, (*path, key.value), parents)

    return walk(root, (), ())
