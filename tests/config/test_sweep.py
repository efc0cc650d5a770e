"""The sweep section: what is refused, each in one line at its place."""

import pytest

from dist_bp.config import flatten, load_config, render
from dist_bp.config.candidates import with_values
from dist_bp.errors import ConfigError
from dist_bp.tuning.schedulers.asha import Asha
from dist_bp.tuning.searches.tpe import Tpe
from tests.config.conftest import BASE

RATE = "train.optimizer.learning_rate: {type: loguniform, low: 1e-4, high: 1e-1}"
LINE = BASE.count("\n") + 1


def sweep(*lines: str, parameters: tuple[str, ...] = (RATE,)) -> str:
    settings = "".join(f"  {line}\n" for line in lines)
    return f"{BASE}sweep:\n{settings}  parameters:\n" + "".join(f"    {line}\n" for line in parameters)


def test_a_name_stands_for_its_defaults_and_a_mapping_has_options(file):
    config = load_config(file(sweep("search: tpe", "scheduler: {type: asha, reduction_factor: 2}")))
    assert config.sweep.search_options == Tpe()
    assert config.sweep.scheduler_options == Asha(grace_period=None, reduction_factor=2)
    assert flatten(config)["sweep.parameters.train.optimizer.learning_rate.low"] == 1e-4


def test_what_is_rendered_is_the_same_sweep(file):
    config = load_config(file(sweep("metric: val_accuracy", "scheduler: median")))
    assert load_config(file(render(config))) == config


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        (
            "train.optimizer.learning_rat: {type: uniform, low: 0.1, high: 1}",
            "the value 0.1: train.optimizer: unknown key 'learning_rat': did you mean 'learning_rate'?",
        ),
        ("model.layers.7.units: {type: choice, values: [8]}", "model.layers has no entry '7' (allowed: 0 to 1)"),
        ("model.layers.0.units: {type: choice, values: [8, -1]}", "the value -1: model.layers.0.units: must be at"),
        (
            "train.optimizer.learning_rate: {type: uniform, low: 2, high: 1}",
            "low must be less than high, got low 2 and high 1",
        ),
        ("train.optimizer.learning_rate: {type: loguniform, low: 0, high: 1}", "must be greater than 0, got 0"),
        ("model.layers.0.units: {type: randint, low: 8, high: 8}", "low must be less than high"),
        ("model.layers.0.units: {type: choise, values: [8]}", "unknown type 'choise': did you mean 'choice'?"),
        ("model.layers.0.units: {type: choice, values: []}", "must not be empty"),
        ("tracking.experiment: {type: choice, values: [a]}", "tracking.experiment cannot be varied"),
    ],
)
def test_spaces_that_no_setting_can_have(problems_of, parameters, problem):
    (line,) = problems_of(sweep(parameters=(parameters,)))
    assert problem in line
    assert line.startswith((f"job.yaml:{LINE + 2}: sweep.parameters.", f"job.yaml:{LINE + 1}: sweep.parameters"))


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("metric: val_acuracy", "sweep.metric: unknown monitor 'val_acuracy': did you mean 'val_accuracy'?"),
        ("scheduler: asah", "sweep.scheduler: unknown type 'asah': did you mean 'asha'?"),
        ("scheduler: {type: asha, reduction: 2}", "unknown key 'reduction': did you mean 'reduction_factor'?"),
        ("scheduler: {type: asha, grace_period: 3}", "a grace_period of 3 leaves nothing to give up in 3 epochs"),
        ("search: {type: tpe, startup: 2}", "unknown key 'startup': did you mean 'n_startup_trials'?"),
        ("search: grid", "search grid needs spaces that can be counted"),
        ("num_samples: 0", "sweep.num_samples: must be at least 1, got 0"),
        ("conditions: [no_function]", "must be module:Name"),
    ],
)
def test_settings_that_cannot_be(problems_of, setting, problem):
    (line,) = problems_of(sweep(setting))
    assert problem in line


def test_what_population_based_training_cannot_do_is_said_at_once(problems_of):
    batches = "train.batch_size: {type: choice, values: [8]}"
    (line,) = problems_of(sweep("scheduler: pbt", "search: tpe", "max_concurrent: 2", parameters=(batches,)))
    rates = "train.optimizer.learning_rate: {type: normal, mean: 0.1, sd: 0.1}"
    assert "learning_rate has none: use uniform" in problems_of(sweep("scheduler: pbt", parameters=(rates,)))[0]
    for part in ("search tpe does not fit", "remove max_concurrent", "train.batch_size cannot change"):
        assert part in line


def test_a_value_that_needs_others_is_tried_with_them(problems_of):
    modes = "parameter_server: {type: choice, values: [{mode: sync}, {mode: local, local_steps: 4}]}"
    groups = "train.group_size: {type: choice, values: [4, 8]}"
    batches = "train.batch_size: {type: choice, values: [8, 16]}"
    assert problems_of(sweep(parameters=(modes, groups, batches))) == []


def test_values_replace_mappings_before_what_is_in_them(file):
    config = load_config(file(sweep()))
    values = {"train.optimizer.momentum": 0.5, "train.optimizer": {"type": "sgd", "learning_rate": 0.1}}
    trial = with_values(config, values | {"model.layers.0.units": 7})
    assert (trial.train.optimizer.type, trial.train.optimizer.momentum, trial.sweep) == ("sgd", 0.5, None)
    assert trial.model.layers[0].units == 7
    with pytest.raises(ConfigError, match="units: must be at least 1"):
        with_values(config, {"model.layers.0.units": 0})
