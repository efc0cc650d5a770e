"""The user's own layers, losses and sources: their options are checked like those that come with dist_bp."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dist_bp.config import load_config, render
from dist_bp.config.component import construct, own_options
from dist_bp.errors import ConfigError
from tests.config.conftest import BASE

MODULE = '''
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from dist_bp.nn import Declaration, Layer, Loss
from dist_bp.options import Count, Doc, Gt, OneOf

class Mine(Layer):
    """A layer of mine."""

    def __init__(
        self,
        start: Annotated[float, Gt(0), Doc("What it begins with.")] = 1.0,
        how: Annotated[str, OneOf(["fast", "slow"])] = "slow",
        sizes: Sequence[Count] = (),
        copy=None,
        weird: "NotThere" = 3,
    ):
        self.start, self.how, self.sizes, self.copy = start, how, sizes, copy

    def declare(self, spec):
        return Declaration(spec)

    def forward(self, x, params, ctx):
        return x, lambda dy, grads: dy

class Typed(Mine):
    def __init__(
        self,
        start: Annotated[float, Gt(0), Doc("What it begins with.")],
        how: Annotated[str, OneOf(["fast", "slow"])] = "slow",
        sizes: Sequence[Count] = (),
        copy: bool = False,
    ):
        super().__init__(start, how, sizes, copy)

class Around(Mine):
    def __init__(self, layers: Sequence[Layer], inner: Layer | None = None):
        self.layers, self.inner = layers, inner

class Layered(Mine):
    def __init__(self, layers: int, json: str = "x"):
        self.layers, self.json = layers, json

class Foreign(Mine):
    def __init__(self, where: Path, pair: tuple[int, str] = (1, "a"), table: dict[str, int] | None = None,
                 either: Path | None = None, one: int | float | list[int] = 1):
        self.where, self.pair, self.table, self.either, self.one = where, pair, table, either, one

class Open(Mine):
    def __init__(self, start: float = 1.0, **rest):
        self.start, self.rest = start, rest

class Typeful(Mine):
    def __init__(self, type: str = "x"):
        pass

class Reserved(Mine):
    def __init__(self, model_config: int = 3):
        pass

class Cls(Mine):
    def __init__(self, cls: int, number: Literal[1, 2] = 1):
        self.cls, self.number = cls, number

class Stranger:
    pass

class Breaks(Mine):
    def __init__(self, rate: float):
        raise TypeError("of its own")

def data(samples: Annotated[int, Gt(0)], noise: float = 0.1):
    return [[1.0]] * samples, [0] * samples

number = 3
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's own, of a name that no other test has."""
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


Problems = Callable[..., list[str]]
WRONG = {
    "unknown option": ("{type: 'M:Typed', strat: 2, start: 1}", "unknown key 'strat': did you mean 'start'?"),
    "missing option": ("{type: 'M:Typed'}", "model.layers.1.start: required key is missing"),
    "limit": ("{type: 'M:Typed', start: 0}", "model.layers.1.start: must be greater than 0, got 0"),
    "wrong type": ("{type: 'M:Typed', start: fast}", "model.layers.1.start: must be a number, got 'fast'"),
    "truth value": ("{type: 'M:Typed', start: 1, copy: 1}", "model.layers.1.copy: must be true or false, got 1"),
    "name": (
        "{type: 'M:Typed', start: 1, how: fats}",
        "model.layers.1.how: unknown value 'fats': did you mean 'fast'? (allowed: fast, slow)",
    ),
    "entry": ("{type: 'M:Typed', start: 1, sizes: [1, 0]}", "model.layers.1.sizes.1: must be at least 1, got 0"),
    "unknown option without annotations": ("{type: 'M:Mine', sart: 2}", "unknown key 'sart': did you mean 'start'?"),
    "layer within": ("{type: 'M:Around', layers: [{type: dens}]}", "model.layers.1.layers.0.type: unknown type"),
    "own layer within": (
        "{type: residual, layers: [{type: 'M:Typed', start: -1}]}",
        "model.layers.1.layers.0.start: must be greater than 0, got -1",
    ),
    "number of layers": ("{type: 'M:Layered', layers: [2, 3]}", "model.layers.1.layers: must be a whole number"),
    "one of several types": (
        "{type: 'M:Foreign', where: a, one: x}",
        "model.layers.1.one: must be a whole number, got 'x'",
    ),
    "a reserved name": ("{type: 'M:Reserved'}", "an option cannot be called 'model_config': rename the argument"),
    "one of some numbers": ("{type: 'M:Cls', cls: 2, number: 3}", "model.layers.1.number: must be one of 1, 2, got 3"),
    "no such module": ("{type: 'not_there_at_all:Mine'}", "model.layers.1.type: there is no module 'not_there_at_all'"),
    "no such class": ("{type: 'M:Mein'}", "model.layers.1.type: module M has no Mein"),
    "no layer": ("{type: 'M:Stranger'}", "is no layer: it must be a class derived from dist_bp.nn.Layer"),
    "no class": ("{type: 'M:number'}", "model.layers.1.type: is no layer"),
    "another kind": ("{type: 'dist_bp.nn.losses.huber:Huber'}", "model.layers.1.type: is no layer"),
    "no name for an option": ("{type: 'M:Typeful'}", "an option cannot be called 'type': rename the argument"),
}  # fmt: skip


@pytest.mark.parametrize(("layer", "problem"), WRONG.values(), ids=WRONG.keys())
def test_one_problem_at_its_place(own: str, problems_of: Problems, layer: str, problem: str) -> None:
    lines = problems_of(BASE.replace("{type: dense, units: 10}", layer.replace("M:", f"{own}:")))
    assert len(lines) == 1
    assert lines[0].startswith("job.yaml:7: model.layers.1")
    assert problem.replace("module M ", f"module {own} ") in lines[0]


@pytest.mark.parametrize(
    "layer",
    [
        "{type: 'M:Typed', start: 1e-3, how: fast, sizes: [2, 3], copy: true}",
        "{type: 'M:Mine', copy: {a: 1}, weird: [x]}",
        "{type: 'M:Around', layers: [{type: dense, units: 2}], inner: {type: flatten}}",
        "{type: 'M:Layered', layers: 3, json: y}",
        "{type: 'M:Foreign', where: a/b, pair: [1, b], table: {x: 1}, either: c}",
        "{type: 'M:Foreign', where: a, one: [1, 2]}",
        "{type: 'M:Cls', cls: 2, number: 2}",
        "{type: 'M:Open', whatever: [1, {a: 2}]}",
    ],
)
def test_what_the_signature_takes_is_given_to_it(own: str, file: Callable[[str], str], layer: str) -> None:
    config = load_config(file(BASE.replace("{type: dense, units: 10}", layer.replace("M:", f"{own}:"))))
    section = config.model.layers[1]
    made = construct(section)
    for name, value in section.options.items():
        if name not in ("layers", "inner", "weird", "whatever") or isinstance(value, int):
            given = getattr(made, name)
            assert (list(given) if isinstance(given, tuple) else given) == value
    if "Around" in layer:
        assert [type(made.layers[0]).__name__, type(made.inner).__name__] == ["Dense", "Flatten"]
    if "Open" in layer:
        assert made.rest == {"whatever": [1, {"a": 2}]}


def test_a_function_of_the_users_own(own: str, problems_of: Problems, file: Callable[[str], str]) -> None:
    def source(text: str) -> str:
        return BASE.replace("{type: sklearn, name: digits}", text.replace("M:", f"{own}:"))

    assert own_options(load_config(file(source("{type: 'M:data', samples: 5}"))).data.source) == {
        "samples": 5,
        "noise": 0.1,
    }
    assert problems_of(source("{type: 'M:data', sample: 5}"))[0].startswith(
        "job.yaml:3: data.source: unknown key 'sample': did you mean 'samples'?"
    )
    (line,) = problems_of(source("{type: 'sys:exit'}"))
    assert line == "job.yaml:3: data.source.type: must be a function, written in Python"


def test_comments_describe_the_users_own_options(own: str, file: Callable[[str], str]) -> None:
    config = load_config(file(BASE.replace("{type: dense, units: 10}", f"{{type: '{own}:Typed', start: 2}}")))
    text = render(config, comments=True)
    assert "    # What it begins with.\n    start: 2" in text
    assert "  # Passes over the training split.\n  epochs: 3" in text
    Path("again.yaml").write_text(text)
    assert load_config("again.yaml") == config


def test_a_module_that_cannot_be_imported_is_told_with_its_place(tmp_path: Path, problems_of: Problems) -> None:
    (tmp_path / "own_that_fails.py").write_text("raise ValueError('of its own\\nin two lines')\n")
    (line,) = problems_of(BASE.replace("{type: dense, units: 10}", "{type: 'own_that_fails:Mine'}"))
    assert line == "job.yaml:7: model.layers.1.type: importing it failed: ValueError: of its own (own_that_fails.py:1)"


def test_the_working_directory_is_looked_in_last(tmp_path: Path, file: Callable[[str], str]) -> None:
    """Also from Python, where no command has put it on the path."""
    (tmp_path / "own_beside_the_job.py").write_text(MODULE)
    load_config(file(BASE.replace("{type: dense, units: 10}", "{type: 'own_beside_the_job:Mine'}")))
    assert sys.path.index(str(tmp_path)) == len(sys.path) - 1
    sys.path.remove(str(tmp_path))


def test_what_the_users_code_raises_is_told_with_its_name(own: str, file: Callable[[str], str]) -> None:
    config = load_config(file(BASE.replace("{type: dense, units: 10}", f"{{type: '{own}:Breaks', rate: 1}}")))
    with pytest.raises(ConfigError, match=f"{own}:Breaks: making it failed: TypeError: of its own"):
        construct(config.model.layers[1])


def test_without_own_code_no_module_is_imported(file: Callable[[str], str]) -> None:
    text = BASE.replace("{type: dense, units: 10}", "{type: 'not_there_at_all:Mine', rate: 3}")
    layer = load_config(file(text), own_code=False).model.layers[1]
    assert layer.options == {"rate": 3}
    with pytest.raises(ConfigError, match="there is no module 'not_there_at_all'"):
        construct(layer)
