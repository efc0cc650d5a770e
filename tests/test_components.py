"""Each row of the table of components: documented, described, made as its YAML says, and back."""

from typing import Annotated, Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from dist_bp.component import options, summary
from dist_bp.components import KINDS, Kind
from dist_bp.config.component import Of, construct, sections
from dist_bp.config.tables import TABLES, table
from dist_bp.errors import ConfigError

# What a component cannot do without: one row for each that has a required option.
NEEDS: dict[str, dict[str, Any]] = {
    "source/sklearn": {"name": "iris"},
    "source/npz": {"path": "a.npz"},
    "source/npy": {"inputs": "x.npy", "targets": "y.npy"},
    "source/idx": {"images": "x.gz", "labels": "y.gz"},
    "source/csv": {"path": "a.csv", "target": "y"},
    "source/parquet": {"path": "a.parquet", "target": "y"},
    "source/json_lines": {"path": "a.jsonl", "target": "y"},
    "source/lines": {"path": "a.txt"},
    "source/text": {"path": "a.txt"},
    "source/image_folder": {"path": "images"},
    "source/sound_folder": {"path": "sounds"},
    "source/text_folder": {"path": "texts"},
    "preprocessing step/resample": {"rate": 8000},
    "preprocessing step/resize": {"size": [28, 28]},
    "preprocessing step/center_crop": {"size": 24},
    "layer/dense": {"units": 3},
    "layer/activation": {"function": "elu"},
    "layer/dropout": {"rate": 0.5},
    "layer/conv2d": {"filters": 4, "kernel": [3, 5]},
    "layer/conv1d": {"filters": 4, "kernel": 3},
    "layer/embedding": {"size": 8},
    "layer/text_cnn": {"filters": 8},
    "layer/branches": {"inputs": {"pixels": [{"type": "flatten"}], "table": []}},
    "layer/attention": {"heads": 2},
    "layer/transformer_block": {"heads": 2},
    "layer/reshape": {"shape": [2, 3]},
    "layer/residual": {"layers": [{"type": "dense", "units": 2}]},
    "layer/repeat": {"times": 2, "layers": [{"type": "flatten"}]},
    "layer/rnn": {"units": 3},
    "layer/gru": {"units": 3},
    "layer/lstm": {"units": 3},
    "schedule/step": {"every_steps": 10},
    "schedule/exponential": {"decay_rate": 0.5, "decay_steps": 10},
    "space/choice": {"values": [1, [2], {"a": 3}]},
    "space/grid": {"values": ["a", None]},
    "space/uniform": {"low": 0, "high": 1},
    "space/loguniform": {"low": 1e-3, "high": 1},
    "space/quniform": {"low": 0, "high": 1, "q": 0.25},
    "space/randint": {"low": 1, "high": 4},
    "space/normal": {"mean": 0, "sd": 1},
}
ROWS = [pytest.param(kind, name, id=f"{kind.name}/{name}") for kind in KINDS for name in kind.rows]
EVERY = pytest.mark.parametrize(("kind", "name"), ROWS)


def written(kind: Kind, name: str) -> dict[str, Any]:
    return {"type": name, **NEEDS.get(f"{kind.name}/{name}", {})}


@EVERY
def test_is_a_documented_class_of_its_kind(kind: Kind, name: str) -> None:
    found = kind.find(name)
    assert issubclass(found, kind.base)
    assert found.__doc__
    assert found.__doc__ != kind.base.__doc__
    assert summary(found).endswith(".")
    assert len(summary(found)) <= 120
    assert [option.name for option in options(found) if not option.description] == []


@EVERY
def test_needs_what_it_says_and_nothing_else(kind: Kind, name: str) -> None:
    required = {option.name for option in options(kind.find(name)) if option.required}
    assert required == set(NEEDS.get(f"{kind.name}/{name}", {}))


@EVERY
def test_yaml_becomes_the_component_and_yaml_again(kind: Kind, name: str) -> None:
    section_type = sections(kind)[name]
    section = section_type.model_validate(written(kind, name))
    assert type(construct(section)) is kind.find(name)
    dumped = yaml.safe_load(yaml.safe_dump(section.model_dump(mode="json"), sort_keys=False))
    assert section_type.model_validate(dumped) == section
    assert list(dumped) == ["type", *(option.name for option in options(kind.find(name)))]


@EVERY
def test_unknown_options_are_refused(kind: Kind, name: str) -> None:
    with pytest.raises(ValidationError, match="unknown key"):
        sections(kind)[name].model_validate({**written(kind, name), "unheard_of": 1})


@EVERY
def test_what_has_a_name_has_that_of_its_row(kind: Kind, name: str) -> None:
    found = kind.find(name)
    own = getattr(found, "name", name)
    if kind.name in ("loss", "preprocessing step"):
        assert own == name
    if kind.name == "metric" and not found.pattern:
        assert found().name == name


def test_there_is_no_row_for_what_is_not_there() -> None:
    assert {f"{kind.name}/{name}" for kind in KINDS for name in kind.rows} >= set(NEEDS)


@EVERY
def test_defaults_are_within_the_limits(kind: Kind, name: str) -> None:
    """Defaults are not validated when a file is read, so each is here as if it were written there."""
    section_type = sections(kind)[name]
    section = section_type.model_validate(written(kind, name))
    assert section_type.model_validate(section.model_dump()) == section


LIMITS = [
    ("layer", "dense", {"units": 0}, "units: must be at least 1, got 0"),
    ("layer", "dense", {"units": 2.5}, "units: must be a whole number, got 2.5"),
    ("layer", "dense", {"units": 2, "activation": "reLU"}, "activation: must be one of relu, leaky_relu"),
    ("layer", "dense", {"units": 2, "bias": 1}, "bias: must be True or False, got 1"),
    ("layer", "batch_norm", {"momentum": 1.0}, "momentum: must be less than 1, got 1.0"),
    ("layer", "dropout", {"rate": -0.1}, "rate: must be at least 0, got -0.1"),
    ("layer", "residual", {"layers": []}, "layers: must not be empty"),
    ("layer", "reshape", {"shape": (2, 0)}, "shape: must be at least 1, got 0"),
    ("layer", "reshape", {"shape": "22"}, "shape: must be several values, got '22'"),
    ("layer", "conv2d", {"filters": 4, "kernel": 0}, "kernel: must be at least 1, got 0"),
    ("layer", "conv2d", {"filters": 4, "kernel": 3, "padding": "full"}, "padding: must be one of same, valid"),
    ("layer", "conv2d", {"filters": 4, "kernel": 3, "groups": 3}, "groups: must divide the 4 filters, got 3"),
    ("layer", "conv1d", {"filters": 4, "kernel": (3, 3)}, "kernel: must be a whole number"),
    ("layer", "branches", {"inputs": ["a"]}, "inputs: must be a mapping, got"),
    ("layer", "attention", {"heads": 0}, "heads: must be at least 1, got 0"),
    ("layer", "attention", {"heads": 2, "keys": "a"}, "queries: and keys name two inputs: give both or neither"),
    ("layer", "attention", {"heads": 2, "queries": "a", "keys": "b", "causal": True}, "causal: is for one input"),
    ("layer", "positions", {"longest": 8}, "longest: is for learned positions"),
    ("activation", "elu", {"alpha": -1.0}, "alpha: must be at least 0, got -1.0"),
    ("activation", "gelu", {"approximate": "erf"}, "approximate: must be one of none, tanh, got 'erf'"),
    ("optimizer", "sgd", {"learning_rate": 0.0}, "learning_rate: must be greater than 0, got 0.0"),
    ("optimizer", "sgd", {"learning_rate": float("nan")}, "learning_rate: must be greater than 0, got nan"),
    ("optimizer", "sgd", {"learning_rate": 0.1, "nesterov": True}, "nesterov: needs momentum"),
    ("preprocessing step", "min_max", {"low": 1, "high": 1}, "high: must be greater than low"),
    ("preprocessing step", "impute", {"strategy": "constant"}, "value: is required by the strategy constant"),
    ("source", "csv", {"path": "a", "target": "y", "separator": ";;"}, "separator: must have at most 1 entries, got 2"),
    ("source", "csv", {"path": "", "target": "y"}, "path: must not be empty"),
    ("source", "npy", {"inputs": "x", "targets": "y", "test_inputs": "x"}, "test_targets: must be given together"),
    ("scheduler", "pbt", {"quantile_fraction": 0.6}, "quantile_fraction: must be at most 0.5, got 0.6"),
    ("space", "uniform", {"low": 2.0, "high": 1.0}, "low must be less than high"),
    ("metric", "top_k", {"k": 0}, "k: must be at least 1, got 0"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "arguments", "message"), LIMITS)
def test_limits_hold_in_python_as_in_yaml(kind: str, name: str, arguments: dict[str, Any], message: str) -> None:
    (rows,) = (one for one in KINDS if one.name == kind)
    with pytest.raises(ConfigError) as caught:
        rows.find(name)(**arguments)
    assert message in str(caught.value)
    with pytest.raises(ValidationError):
        TypeAdapter(Annotated[Any, Of(rows)]).validate_python({"type": name, **arguments})


def test_all_wrong_arguments_are_told_at_once() -> None:
    (layers,) = (kind for kind in KINDS if kind.name == "layer")
    with pytest.raises(ConfigError) as caught:
        layers.find("batch_norm")(momentum=2, epsilon=0)
    assert len(caught.value.problems) == 2


def test_looking_at_an_iterator_does_not_use_it_up() -> None:
    (layers,) = (kind for kind in KINDS if kind.name == "layer")
    assert layers.find("reshape")(iter((2, 3))).shape == (2, 3)


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_a_row_for_each_choice(name: str) -> None:
    lines = table(name).splitlines()
    assert len(lines) > 4
    assert len({line.count(" | ") for line in lines}) == 1
    with pytest.raises(ConfigError, match=f"there is no table '{name}x': did you mean '{name}'"):
        table(f"{name}x")
