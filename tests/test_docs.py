"""The pages are true as far as a test can tell: links, pictures, settings, commands, paths and the code shown."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperCommand, TyperGroup

from dist_bp.cli.main import command_line
from dist_bp.config import JobConfig, json_schema, load_config
from dist_bp.config.tables import TABLES, table
from dist_bp.train.setup import prepare_job

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS, ROOT / "benchmarks/README.md"]
README_LINES = 150

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")
COMMAND = re.compile(r"\bdist-bp ([a-z]+(?:\|[a-z]+)*)([^#\n]*)")
WHOLE = {"name", "data"}
"""The keys that tell a whole configuration from a part of one."""
TAGS = {"ray.submission_id"}
"""Tags in MLflow that look like settings."""
OF_OTHERS = {"-m", "--working-dir", "--help"}
"""Options of Python, of Ray's command line and of every command."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in FENCED.findall(page.read_text(encoding="utf-8")) if name == language]


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(line.lstrip("#").strip()) for line in prose(page).splitlines() if re.match(r"#+ ", line)}


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """What the page says, the file it means, and the anchor there."""
    for target in LINK.findall(prose(page)):
        if not re.match(r"[a-z]+:", target):
            name, _, anchor = target.partition("#")
            yield target, (page.parent / name).resolve() if name else page, anchor


@each_page
def test_links_and_pictures_are_there(page: Path) -> None:
    for target, path, anchor in links(page):
        assert path.exists(), f"{target}: there is no {path}"
        assert path.is_relative_to(ROOT), f"{target} leaves the project"
        assert not anchor or anchor in anchors(path), f"{target}: {path.name} has no such heading"


@each_page
def test_every_table_has_its_heading(page: Path) -> None:
    """A blank line ends a table: what follows is shown as text."""
    for number, rows in enumerate(re.findall(r"(?:^\|.*\n)+", prose(page), re.MULTILINE)):
        assert re.match(r"\|.*\n\|(?: *:?-+:? *\|)+\n", rows), f"table {number + 1}: {rows[:80]}"


def test_every_page_can_be_found() -> None:
    found, waiting = set[Path](), [README]
    while waiting:
        page = waiting.pop()
        if page not in found:
            found.add(page)
            waiting += [path for _, path, _ in links(page) if path.suffix == ".md"]
    assert not set(PAGES) - found


def test_the_readme_is_one_page() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= README_LINES


@each_page
def test_configurations_are_valid(page: Path, tmp_path: Path) -> None:
    for number, text in enumerate(blocks(page, "yaml")):
        content = yaml.safe_load(text)
        assert set(content) <= set(JobConfig.model_fields), f"block {number} of {page.name} has unknown sections"
        if set(content) >= WHOLE:
            path = tmp_path / f"{number}.yaml"
            path.write_text(text, encoding="utf-8")
            load_config(path, own_code=False)


def knows(schema: dict[str, Any], node: Any, keys: Sequence[str]) -> bool:
    """Whether a part of the JSON Schema has a setting at these keys, whatever the type beside it."""
    if not isinstance(node, dict):
        return bool(node)
    if "$ref" in node:
        return knows(schema, schema["$defs"][node["$ref"].rpartition("/")[2]], keys)
    if not keys:
        return True
    inner = [part for union in ("anyOf", "oneOf", "allOf") for part in node.get(union, ())]
    if any(knows(schema, part, keys) for part in inner):
        return True
    here = [node["items"]] if keys[0].isdecimal() and "items" in node else []
    here += [found for found in (node.get("properties", {}).get(keys[0]),) if found is not None]
    return any(knows(schema, part, keys[1:]) for part in here)


@each_page
def test_settings_exist(page: Path) -> None:
    schema = json_schema()
    pieces = INLINE.findall(prose(page)) + [line for line in prose(page).splitlines() if line.startswith("    ")]
    sections = "|".join(JobConfig.model_fields)
    for piece in pieces:
        for name in re.findall(rf"(?<![\w./-])((?:{sections})(?:\.\w+)+)(?![\w/])", piece):
            if not re.search(r"\.(py|yaml|safetensors)$", name) and name not in TAGS:
                assert knows(schema, schema, name.split(".")), f"{page.name}: {piece.strip()}: there is no {name}"
        if re.fullmatch(r"\{type: .*\}", piece):
            kind = yaml.safe_load(piece)["type"]
            assert ":" in kind or f'"{kind}"' in json.dumps(schema), f"{page.name}: there is no type {kind}"


def commands() -> dict[str, set[str]]:
    """The options of each command, of a group those of all its commands."""
    app = typer.main.get_command(command_line())
    assert isinstance(app, TyperGroup)
    return {name: options(command) for name, command in app.commands.items()}


def options(command: object) -> set[str]:
    if isinstance(command, TyperGroup):
        return {option for inner in command.commands.values() for option in options(inner)}
    assert isinstance(command, TyperCommand)
    return {option for parameter in command.params for option in parameter.opts if option.startswith("-")}


def code(page: Path) -> Iterator[str]:
    """Lines and pieces of code on the page; the output of commands, too, where it names further ones."""
    text = page.read_text(encoding="utf-8")
    for _, block in FENCED.findall(text):
        yield from block.splitlines()
    yield from (line for line in prose(page).splitlines() if line.startswith("    "))
    yield from INLINE.findall(prose(page))


@each_page
def test_commands_and_options_exist(page: Path) -> None:
    known = commands()
    every = {option for found in known.values() for option in found} | OF_OTHERS
    for line in code(page):
        for names, rest in COMMAND.findall(line):
            for name in names.split("|"):
                assert name in known, f"{page.name}: {line.strip()}: there is no command {name}"
                strange = set(OPTION.findall(rest)) - known[name] - OF_OTHERS
                assert not strange, f"{page.name}: {line.strip()}: {name} has no {', '.join(strange)}"
        if line.startswith("--"):
            strange = set(OPTION.findall(line)) - every
            # The benchmarks have options of their own.
            assert not strange or "benchmarks" in str(page), f"{page.name}: no command has {', '.join(strange)}"


@each_page
def test_paths_of_code_exist(page: Path) -> None:
    roots = (ROOT, ROOT / "dist_bp", page.parent)
    for piece in INLINE.findall(prose(page)):
        if re.fullmatch(r"\w+(/\w+)+\.(py|yaml|md)", piece) and not piece.startswith("runs/"):
            assert any((root / piece).exists() for root in roots), f"{page.name}: no {piece}"
    for module in re.findall(r"python -m (benchmarks[.\w]*)", page.read_text(encoding="utf-8")):
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), f"{page.name}: no module {module}"


def tree() -> list[Path]:
    """The paths of the annotated tree, by their indentation."""
    block = README.read_text(encoding="utf-8").partition("## Where things are")[2]
    paths, parents = [], dict[int, Path]()
    for line in block.splitlines():
        if found := re.match(r"( {4,})(\S+)", line):
            depth = len(found[1])
            parent = max((other for other in parents if other < depth), default=None)
            path = (ROOT if parent is None else parents[parent]) / found[2]
            parents = {other: known for other, known in parents.items() if other < depth} | {depth: path}
            paths.append(path)
    return paths


def test_the_tree_is_that_of_the_project() -> None:
    paths = tree()
    assert [path for path in paths if not path.exists()] == []
    package = ROOT / "dist_bp"
    parts = [path for path in package.glob("*.py") if not path.name.startswith("__")]
    parts += [path.parent for path in package.glob("*/__init__.py")]
    assert sorted(path.name for path in parts if path not in paths) == []


def test_choices_have_their_places() -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    found = re.findall(r"^<!-- table: (\w+) -->\n(.*?)\n<!-- end -->$", text, re.MULTILINE | re.DOTALL)
    assert sorted(name for name, _ in found) == sorted(TABLES)
    for name, shown in found:
        assert shown == table(name), f"print it with: dist-bp schema --table {name}"


def test_the_code_shown_works(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer, the loss and the source of the pages: gradients are right, and the job shown can begin."""
    (source,) = [text for text in blocks(ROOT / "docs/data.md", "python") if "def waves" in text]
    own, check = blocks(ROOT / "docs/developing.md", "python")
    (workplace / "mine.py").write_text(f"{own}\n\n{source}", encoding="utf-8")
    monkeypatch.syspath_prepend(workplace)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    told: list[float] = []
    exec(compile(check, "developing.md", "exec"), {"print": told.append})
    assert told[0] < 1e-6

    (job,) = [text for text in blocks(ROOT / "docs/developing.md", "yaml") if "mine:Gain" in text]
    (workplace / "waves.yaml").write_text(job, encoding="utf-8")
    assert prepare_job(load_config(workplace / "waves.yaml")).model.output.shape == (1,)
    sys.modules.pop("mine", None)


def test_the_condition_shown_works() -> None:
    (condition,) = blocks(ROOT / "docs/sweeps.md", "python")
    names: dict[str, object] = {}
    exec(compile(condition, "sweeps.md", "exec"), names)
    fits = names["fits"]
    assert callable(fits)
    assert fits({"model.layers.0.units": 64, "train.optimizer.learning_rate": 0.1})
    assert not fits({"model.layers.0.units": 256, "train.optimizer.learning_rate": 0.1})


def test_names_imported_on_the_pages_exist() -> None:
    """Imports of dist_bp in all code that is shown."""
    for page in PAGES:
        for text in blocks(page, "python"):
            for module, names in re.findall(r"^from (dist_bp[.\w]*) import (.+)$", text, re.MULTILINE):
                for name in names.split(", "):
                    assert hasattr(import_module(module), name), f"{page.name}: {module} has no {name}"
