"""render, flatten and the JSON Schema."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from dist_bp.config import JobConfig, flatten, json_schema, load_config, render
from dist_bp.errors import ConfigError
from tests.config.conftest import BASE

numbers = st.floats(min_value=1e-300, max_value=1e300, allow_subnormal=False)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp"]), min_size=1)
numerals = st.sampled_from(["1e5", "1e-3", "-.1E+2", "12", "1.5", "true", "null", "~", "=", "2020-01-01", "a: b"])
layers = st.recursive(
    st.one_of(
        st.builds(lambda n: {"type": "dense", "units": n}, st.integers(1, 10**9)),
        st.builds(lambda r: {"type": "dropout", "rate": r}, st.floats(0, 1, exclude_max=True)),
        st.builds(
            lambda options: {"type": "own.layers:Own", **options},
            st.dictionaries(st.sampled_from(["a", "b_c"]), st.one_of(texts, numerals, numbers, st.lists(numbers))),
        ),
    ),
    lambda inner: st.builds(
        lambda items: {"type": "residual", "layers": items}, st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=4,
)
jobs = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"(?!\.+$)[A-Za-z0-9._-]{1,12}", fullmatch=True),
        "seed": st.integers(0, 2**63),
        "data": st.just({"source": {"type": "sklearn", "name": "iris"}}),
        "model": st.fixed_dictionaries({"layers": st.lists(layers, min_size=1, max_size=3)}),
        "loss": st.fixed_dictionaries(
            {
                "type": st.just("cross_entropy"),
                "class_weights": st.one_of(st.none(), st.just("balanced"), st.lists(st.floats(0, 100), max_size=3)),
            }
        ),
        "metrics": st.lists(st.sampled_from(["accuracy", "top_3", "roc_auc"]), unique=True),
        "train": st.fixed_dictionaries(
            {"optimizer": st.fixed_dictionaries({"type": st.just("lion"), "learning_rate": numbers})}
        ),
        "tracking": st.fixed_dictionaries(
            {
                "tags": st.dictionaries(st.one_of(texts, numerals), st.one_of(texts, numerals), max_size=3),
                "every_steps": st.one_of(st.just("auto"), st.integers(1)),
            }
        ),
    }
)


@given(job=jobs)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rendering_and_loading_gives_the_same(tmp_path, job):
    config = JobConfig.model_validate(job)
    path = tmp_path / "rendered.yaml"
    path.write_text(render(config), encoding="utf-8")
    again = load_config(path, own_code=False)
    assert again == config
    assert render(again) == render(config)


def test_rendering_shows_every_field(file):
    config = load_config(file(BASE))
    rendered = yaml.safe_load(render(config))

    def compare(section: BaseModel, data: dict[str, Any]) -> None:
        assert list(data) == [name for name, _ in section]
        for name, value in section:
            if isinstance(value, BaseModel):
                compare(value, data[name])

    compare(config, rendered)
    assert rendered["train"]["optimizer"]["beta2"] == 0.999


def test_flat_values(file):
    flat = flatten(load_config(file(BASE), ["metrics=[accuracy, top_3]", "tracking.tags.team=a", "name='12'"]))
    assert flat["name"] == "12"
    assert flat["train.epochs"] == 3
    assert flat["train.optimizer.learning_rate"] == 1e-3
    assert flat["model.layers.0.units"] == 16
    assert flat["model.layers.1.activation"] == "null"
    assert flat["train.shuffle"] == "true"
    assert flat["metrics"] == "[accuracy, top_3]"
    assert flat["data.preprocess"] == "[]"
    assert flat["tracking.tags"] == "{team: a}"
    assert not any(isinstance(value, bool) for value in flat.values())


def test_flat_options_of_the_users_own(file):
    flat = flatten(
        load_config(file(BASE), ["model.layers.0={type: 'a:B', depth: [1, {x: 2}], rate: 1e-3}"], own_code=False)
    )
    assert flat["model.layers.0.type"] == "a:B"
    assert flat["model.layers.0.depth"] == "[1, {x: 2}]"
    assert flat["model.layers.0.rate"] == 1e-3


def test_the_schema_describes_every_field():
    schema = json_schema()
    sections = schema["$defs"]
    owners = [schema, *sections.values()]
    missing = [
        f"{owner.get('title')}.{name}"
        for owner in owners
        for name, field in owner.get("properties", {}).items()
        if not {**sections.get(field.get("$ref", "").rpartition("/")[2], {}), **field}.get("description")
    ]
    assert len(owners) > 30
    assert missing == []


def test_the_schema_bounds_numbers_and_requires_keys():
    optimizer = json_schema("train.optimizer")
    names, mappings = optimizer["anyOf"]
    assert names["enum"] == ["sgd", "adam", "adamw", "rmsprop", "adagrad", "lion"]
    assert {choice["$ref"].rpartition("/")[2] for choice in mappings["oneOf"]} == {
        "Sgd",
        "Adam",
        "AdamW",
        "RmsProp",
        "Adagrad",
        "Lion",
    }
    sgd = optimizer["$defs"]["Sgd"]
    assert sgd["required"] == ["type"]
    assert sgd["properties"]["learning_rate"]["default"] == 0.01
    assert json_schema("train.schedule")["anyOf"][0]["enum"] == ["constant", "cosine", "linear", "one_cycle", "plateau"]
    assert sgd["properties"]["learning_rate"]["exclusiveMinimum"] == 0
    assert sgd["additionalProperties"] is False


def test_the_schema_of_a_section():
    assert list(json_schema("scaling")["properties"]) == [
        "num_workers",
        "min_workers",
        "servers_per_node",
        "cpus_per_worker",
        "placement",
    ]
    assert json_schema("train")["required"] == ["optimizer"]
    assert json_schema("seed")["minimum"] == 0


@pytest.mark.parametrize(
    ("section", "start"),
    [
        ("trian", "unknown section 'trian': did you mean 'train'? (allowed: name, seed, data,"),
        ("train.optimiser", "unknown section 'train.optimiser': did you mean 'optimizer'? (allowed: epochs,"),
        ("seed.x", "unknown section 'seed.x' (allowed: none)"),
    ],
)
def test_the_schema_of_an_unknown_section(section, start):
    with pytest.raises(ConfigError) as caught:
        json_schema(section)
    assert caught.value.problems[0].startswith(start)


CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_shipped_configurations_are_valid(path):
    config = load_config(path)
    assert config.name == path.stem
    header = path.read_text(encoding="utf-8").partition("\nname:")[0]
    assert all(f"\n# {word}:" in header for word in ("Data", "Expected", "Time"))


def test_there_are_shipped_configurations():
    assert {"digits", "iris", "wine_quality", "fashion_mnist_mlp"} <= {path.stem for path in CONFIGS}
