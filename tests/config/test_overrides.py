"""key=value overrides: what they set, and how their problems are told."""

import pytest

from dist_bp.config import load_config
from dist_bp.errors import ConfigError
from tests.config.conftest import BASE


@pytest.mark.parametrize(
    ("override", "get", "value"),
    [
        ("train.epochs=20", lambda c: c.train.epochs, 20),
        ("train.optimizer.learning_rate=1e-2", lambda c: c.train.optimizer.learning_rate, 0.01),
        ("model.layers.0.units=64", lambda c: [layer.units for layer in c.model.layers], [64, 10]),
        ("metrics=[accuracy, top_3]", lambda c: c.metrics, ("accuracy", "top_3")),
        ("train.stop.patience=4", lambda c: c.train.stop.patience, 4),
        ("checkpoint.every_epochs=", lambda c: c.checkpoint.every_epochs, None),
        ("tracking.tags.owner=me=you", lambda c: c.tracking.tags, {"owner": "me=you"}),
        ("model.layers.0.activation=tanh", lambda c: c.model.layers[0].activation.type, "tanh"),
        ("loss.label_smoothing=0.1", lambda c: c.loss.label_smoothing, 0.1),
        ("loss=mse", lambda c: c.loss.type, "mse"),
        ("train.optimizer=lion", lambda c: c.train.optimizer.learning_rate, 1e-4),
        ("data.preprocess=[standardize, {type: min_max}]", lambda c: c.data.preprocess[0].type, "standardize"),
        ("model.layers.0=flatten", lambda c: c.model.layers[0].type, "flatten"),
        ("data.source={type: sklearn, name: wine}", lambda c: c.data.source.name, "wine"),
        ("model.layers.0={type: flatten}", lambda c: c.model.layers[0].type, "flatten"),
    ],
)
def test_sets_one_value(file, override, get, value):
    assert get(load_config(file(BASE), [override])) == value


FULL = """
  schedule: {type: cosine, warmup_steps: 5}
  stop: {patience: 3}
checkpoint: {keep: 1}
metrics: [accuracy]
tracking: {tags: {a: b}}
sweep: {parameters: {seed: {type: choice, values: [1, 2]}}, search: grid}
"""


def test_null_removes_an_optional_section(file):
    plain, full = load_config(file(BASE)), BASE + FULL.removeprefix("\n")
    removed = ("train.schedule", "train.stop", "checkpoint", "metrics", "tracking.tags", "sweep")
    assert load_config(file(full), [f"{key}=null" for key in removed]) == plain
    assert load_config(file(full), [f"{key}=" for key in removed]) == plain
    empty = BASE + "  schedule:\n  stop:\ncheckpoint:\n  # keep: 1\nmetrics:\ntracking: {tags: }\nscaling:\n"
    assert load_config(file(empty)) == plain
    assert load_config(file(BASE + "tracking:\n"), ["tracking=null"]) == plain
    assert load_config(file(full), ["sweep.search=null", "sweep.num_samples=2"]).sweep.search.type == "random"


def test_null_removes_nothing_that_must_be_given(file):
    with pytest.raises(ConfigError) as caught:
        load_config(file(BASE), ["loss=null", "train.epochs=null"])
    assert caught.value.problems == [
        "override loss=null: must be a name or a mapping such as {type: cross_entropy}, got nothing",
        "override train.epochs=null: must be a whole number, got nothing",
    ]


def test_the_space_of_a_setting_is_found_by_its_dotted_key(file):
    text = BASE + "sweep: {parameters: {train.optimizer.learning_rate: {type: uniform, low: 0.1, high: 1}}}\n"
    key = "sweep.parameters.train.optimizer.learning_rate"
    config = load_config(file(text), [f"{key}.high=2", "sweep.parameters.seed={type: choice, values: [1]}"])
    assert config.sweep.parameters["train.optimizer.learning_rate"].high == 2
    assert set(config.sweep.parameters) == {"train.optimizer.learning_rate", "seed"}
    wrong = f"{key.removesuffix('e')}=" + "{type: uniform, low: 0.1, high: 1}"
    with pytest.raises(ConfigError) as caught:
        load_config(file(text), [wrong])
    (line,) = caught.value.problems
    assert line.startswith(
        f"override {wrong}: the value 0.1: train.optimizer: unknown key 'learning_rat': did you mean"
    )


def test_options_of_a_name_can_be_set(file):
    text = BASE.replace("{type: cross_entropy}", "huber").replace("activation: relu", "activation: gelu")
    config = load_config(file(text), ["loss.delta=2", "model.layers.0.activation.approximate=tanh"])
    assert (config.loss.type, config.loss.delta) == ("huber", 2.0)
    assert config.model.layers[0].activation.approximate == "tanh"


def test_the_last_wins(file):
    overrides = [
        "train.optimizer.beta1=0.5",
        "train.optimizer={type: sgd, learning_rate: 1}",
        "seed=1",
        "seed=2",
    ]
    config = load_config(file(BASE), overrides)
    assert config.train.optimizer.type == "sgd"
    assert config.seed == 2


def test_an_override_of_one_alias_leaves_the_other(file):
    text = BASE.replace(
        "    - {type: dense, units: 16, activation: relu}",
        "    - &hidden {type: dense, units: 16}\n    - *hidden",
    )
    config = load_config(file(text), ["model.layers.0.units=5"])
    assert [layer.units for layer in config.model.layers] == [5, 16, 10]


PROBLEMS = {
    "train.epochs=0": "must be at least 1, got 0",
    "train.epoch=2": "unknown key 'epoch': did you mean 'epochs'? (allowed: epochs, batch_size, group_size, "
    "accumulate, shuffle, group_by_length, optimizer, schedule, clip_norm, clip_value, stop)",
    "train.optimizer.momentum=0.9": "unknown key 'momentum' "
    "(allowed: type, learning_rate, weight_decay, decoupled, beta1, beta2, epsilon, lazy)",
    "train.schedule={type: step}": "train.schedule.every_steps: required key is missing",
    "train.schedule.final=0": "train.schedule.type: required key is missing "
    "(allowed: constant, step, exponential, cosine, linear, one_cycle, plateau)",
    "model.layers.2.units=4": "model.layers has no entry '2' (allowed: 0 to 1)",
    "model.layers.x=4": "model.layers has no entry 'x' (allowed: 0 to 1)",
    "name.first=3": "name is a single value, it has no key 'first'",
    "train.epochs": "must have the form key=value, such as train.epochs=20",
    "=3": "must have the form key=value, such as train.epochs=20",
    "train..epochs=3": "must have the form key=value, such as train.epochs=20",
    "name=[a": "the value is not valid YAML: while parsing a flow sequence, "
    "expected ',' or ']', but got '<stream end>'",
    "loss={type: mse, type: mae}": "the value gives the key 'type' twice",
}


@pytest.mark.parametrize(("override", "problem"), PROBLEMS.items(), ids=PROBLEMS.keys())
def test_one_problem(problems_of, override, problem):
    assert problems_of(BASE, override) == [f"override {override}: {problem}"]


def test_a_problem_is_told_of_the_override_that_made_it(problems_of):
    assert problems_of(
        BASE,
        "train.optimizer.beta1=7",
        "train.optimizer={type: sgd, learning_rate: 1}",
        "train.optimizer.momentum=1",
        "checkpoint.keep=0",
    ) == [
        "override train.optimizer.momentum=1: must be less than 1, got 1",
        "override checkpoint.keep=0: must be at least 1, got 0",
    ]


def test_an_override_mends_the_file(problems_of):
    assert problems_of(BASE.replace("1e-3", "-1"), "train.optimizer.learning_rate=1e-3") == []
