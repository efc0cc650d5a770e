"""Configurations that nobody means well with, and files that are none: a line each, at once."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dist_bp.config import JobConfig, load_config, stored_config
from dist_bp.config.document import DEEPEST
from dist_bp.errors import ConfigError, UserError
from dist_bp.foreign import TEXT_BYTES, file_name
from dist_bp.nn import Model
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.repeat import Repeat
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.resume import sweep_name
from tests.commands import run_here
from tests.config.conftest import BASE

LAYER = "{type: dense, units: 10}"
Problems = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def under_a_second() -> Iterator[None]:
    started = time.process_time()  # whatever runs beside
    yield
    assert time.process_time() - started < 2


def nested(levels: int) -> str:
    return "{type: residual, layers: [" * levels + LAYER + "]}" * levels


def repeated(*times: int) -> str:
    layer = LAYER
    for count in times:
        layer = f"{{type: repeat, times: {count}, layers: [{layer}]}}"
    return layer


def laughs(levels: int, form: str) -> str:
    lines = [f"x0: &x0 {form.format(a='1', b='2')}"]
    lines += [f"x{i}: &x{i} {form.format(a=f'*x{i - 1}', b=f'*x{i - 1}')}" for i in range(1, levels)]
    return "\n".join(lines) + "\n" + BASE


HOSTILE = {
    "aliases that multiply": (laughs(40, "[{a}, {b}]"), "its aliases make"),
    "merged aliases that multiply": (laughs(40, "{{k: {a}, l: {b}}}").replace("k: *", "<<: *"), "its aliases make"),
    "an alias of what it is in": (BASE.replace("name: digits", "name: &a [*a]", 1), "refers to what it is part of"),
    "deep lists": (BASE + "x: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    "deep layers": (BASE.replace(LAYER, nested(DEEPEST)), "nested too deeply"),
    "very many layers": (BASE.replace(LAYER, repeated(10**6)), "times: makes 1,000,000 layers"),
    "repeats within repeats": (BASE.replace(LAYER, repeated(1000, 1000, 1000)), "times: makes 1,000,000 layers"),
    "repeats in residuals": (
        BASE.replace(LAYER, f"{{type: repeat, times: 200, layers: [{{type: residual, layers: [{repeated(200)}]}}]}}"),
        "times: makes 40,000 layers",
    ),
    "repeats beside each other": (
        BASE.replace(LAYER, "\n    - ".join([repeated(10**4)] * 20)),
        "model.layers: make 200,001 layers, and a network may have 10,000",
    ),
    "repeats beside each other in a residual": (
        BASE.replace(LAYER, f"{{type: residual, layers: [{', '.join([repeated(10**4)] * 20)}]}}"),
        "layers: make 200,000 layers, and a network may have 10,000",
    ),
    "a tag of nothing": (BASE + 'seed: !!int ""', "job.yaml:14:7: not valid YAML: '' is no int"),
    "a tag of truth": (BASE + "seed: !!bool x", "job.yaml:14:7: not valid YAML: 'x' is no bool"),
    "a tag of a number": (BASE + "seed: !!float x", "job.yaml:14:7: not valid YAML: 'x' is no float: could not"),
    "a tag of a long text": (BASE + f"seed: !!bool {'9' * 5000}", "job.yaml:14:7: not valid YAML: '9999"),
    "a tag of time": (BASE + "a: !!timestamp x", "job.yaml:14:4: not valid YAML: 'x' is no timestamp"),
    "no day": (BASE + "a: 2020-13-01", "job.yaml:14:4: not valid YAML: '2020-13-01' is no timestamp: month must be"),
    "NUL in a folder": (BASE + 'checkpoint: {directory: "a\\0b"}', "job.yaml:14:25: not valid YAML: a text holds"),
    "half a character": (BASE + 'tracking: {run_name: "\\ud800"}', "half a character"),
    "NUL in a key": (BASE + '"a\\0b": 1', "a NUL character"),
    "a name of dots": (BASE.replace("name: digits", "name: ..", 1), "job.yaml:1: name: must be made of"),
    "a dot": (BASE.replace("name: digits", "name: .", 1), "job.yaml:1: name: must be made of"),
    "a long name": (BASE.replace("name: digits", f"name: {'n' * 129}", 1), "at most 128 characters"),
    "a name over folders": (BASE.replace("name: digits", "name: ../x", 1), "job.yaml:1: name: must be made of"),
    "a registered model of dots": (
        BASE + "tracking: {registered_model: ..}",
        "tracking.registered_model: must be a name without",
    ),
    "a registered model in a folder": (
        BASE + "tracking: {registered_model: a/b}",
        "tracking.registered_model: must be a name without",
    ),
    "a huge number": (BASE.replace("epochs: 3", f"epochs: 1{'0' * 5000}"), "job.yaml:"),
    "a tag of Python": (BASE + "x: !!python/object/apply:os.system [ls]", "not valid YAML"),
    "100 MB": ("# " + "x" * 10**8, f"bytes, more than the {TEXT_BYTES:,} that it may"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_in_a_line(problems_of: Problems, case: str) -> None:
    text, problem = HOSTILE[case]
    lines = problems_of(text)
    assert len(lines) == 1, lines
    assert problem in lines[0]
    assert len(lines[0]) < 400


def test_what_is_deep_but_not_too_deep_can_be_validated(problems_of: Problems) -> None:
    levels = (DEEPEST - 4) // 2
    assert problems_of(BASE.replace(LAYER, nested(levels))) == []
    assert problems_of(BASE.replace(LAYER, repeated(9, 10, 10, 10))) == []


@pytest.mark.parametrize(
    "value", ["[" * 5000, '"\\0"', "&a [*a]", "{a: &a [1, 2], b: *a}", "!!bool x", '!!int ""', "!!timestamp x"]
)
def test_overrides_are_no_other(problems_of: Problems, value: str) -> None:
    (line,) = problems_of(BASE, f"checkpoint.directory={value}")
    assert line.startswith("override checkpoint.directory=")


def test_many_aliases_of_little_are_no_attack(problems_of: Problems) -> None:
    layers = "\n".join("    - *d" for _ in range(500))
    text = BASE.replace(f"    - {LAYER}", f"    - &d {LAYER}\n{layers}")
    assert problems_of(text) == []


def test_what_is_no_file_is_not_read(file: Callable[[str], str]) -> None:
    """A pipe would be waited for, a device never ends."""
    os.mkfifo("pipe")
    for path, said in {
        "pipe": "cannot be read: it is a pipe, not a file",
        "/dev/zero": "cannot be read: it is a device or a socket, not a file",
        "/dev/full": "cannot be read: it is a device or a socket, not a file",
        ".": "this is a directory, not a configuration file",
        "a\0b": "cannot be read: its name holds a NUL character",
        "x" * 300: "cannot be read: File name too long",
        "job.yaml/x": "cannot be read: Not a directory",
    }.items():
        file(BASE)
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert caught.value.problems == [f"{path}: {said}"]
    done = run_here("validate", "pipe")
    assert (done.returncode, done.stderr) == (2, "error: pipe: cannot be read: it is a pipe, not a file\n")


def test_layers_made_in_python_are_counted_too() -> None:
    with pytest.raises(ConfigError, match="times: makes 20,000 layers"):
        Repeat(2000, [Dense(1)] * 10)
    assert Repeat(1000, [Repeat(10, [Dense(1)])]).count == 10_000
    with pytest.raises(ConfigError, match="layers: make 20,000 layers"):
        Model([Repeat(10_000, [Dense(1)])] * 2, (1,))


@pytest.mark.parametrize("name", [".", "..", "...", "", "a/b", "../x", "/tmp/x", "a\0b", "n" * 129, "-\n"])
def test_names_that_are_no_folder_of_their_own(file: Callable[[str], str], name: str) -> None:
    with pytest.raises(ValueError, match="must be made of"):
        file_name(name)
    sweep = "sweep: {metric: val_loss, num_samples: 1, parameters: {train.epochs: {type: choice, values: [1]}}}\n"
    job = SweepJob.of(load_config(file(BASE + sweep)))
    for resume, new in ((name, None), (None, name)):
        with pytest.raises(UserError, match="must be made of"):
            sweep_name(job, resume, new)
    assert {path.name for path in Path().iterdir()} == {"job.yaml"}


def test_a_configuration_made_in_python_has_the_same_limits() -> None:
    content = {"name": "..", "data": {"source": {"type": "sklearn", "name": "digits"}}}
    with pytest.raises(ValueError, match="must be made of"):
        JobConfig.model_validate(content)


def test_the_sweep_of_a_stored_configuration_is_not_tried() -> None:
    values = ", ".join(map(str, range(1, 501)))
    space = f"{{train.epochs: {{type: choice, values: [{values}]}}}}"
    sweep = f"sweep: {{metric: val_loss, num_samples: 1, parameters: {space}}}\n"
    assert stored_config(BASE + sweep, "config.yaml").sweep
    wrong = sweep.replace("[1, ", "[-1, ")
    assert stored_config(BASE + wrong, "config.yaml").sweep
    with pytest.raises(ConfigError, match=r"config.yaml:14:7: not valid YAML: 'x' is no bool"):
        stored_config(BASE + "seed: !!bool x", "config.yaml")
