"""Options of the parameter server's modes: each belongs to one."""

from dataclasses import MISSING, fields

import pytest
import yaml

from dist_bp.config import load_config
from dist_bp.config.checks import MODE_OPTIONS, OF_ALL_SHARES, OF_WHOLE_TABLES
from dist_bp.config.run import LOCAL_STEPS
from dist_bp.errors import ConfigError
from dist_bp.ps.layout import LEASE_STEPS
from dist_bp.ps.modes import MODES
from tests.config.conftest import BASE


@pytest.mark.parametrize(
    "section",
    [
        "{mode: sync}",
        "{mode: backup, backup_workers: 1}",
        "{mode: ssp, max_staleness: 0}",
        "{mode: async}",
        "{mode: local, local_steps: 8, outer_momentum: 0.5}",
        "{mode: local, local_steps: 8, outer_learning_rate: 0.7, outer_momentum: 0.9, outer_nesterov: true}",
        "{mode: diloco}",
        "{mode: diloco, outer_momentum: 0}",
        "{mode: diloco, local_steps: 20, outer_nesterov: true}",
    ],
)
def test_every_mode_is_accepted_with_its_options(file, section):
    loaded = load_config(file(f"{BASE}parameter_server: {section}\n")).parameter_server
    assert loaded.model_dump(exclude_unset=True) == yaml.safe_load(section)


def test_options_are_those_of_the_modes():
    of_modes: dict[str, dict[str, bool]] = {}
    for name, mode in MODES.items():
        for option in fields(mode):
            of_modes.setdefault(option.name, {})[name] = option.default is MISSING
    assert of_modes == MODE_OPTIONS
    assert {name for name, mode in MODES.items() if not mode.by_rows} == {*OF_WHOLE_TABLES}
    assert {name for name, mode in MODES.items() if mode.exact} == {*OF_ALL_SHARES}
    assert LOCAL_STEPS == LEASE_STEPS


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (
            "{mode: sync, max_staleness: 2}",
            "max_staleness: belongs to mode ssp, not sync: remove it, or set parameter_server.mode=ssp",
        ),
        (
            "{mode: async, local_steps: 2}",
            "local_steps: belongs to mode local or diloco, not async: remove it, or set "
            "parameter_server.mode=local or diloco",
        ),
        ("{mode: ssp}", "mode: ssp needs max_staleness: set parameter_server.max_staleness"),
        ("{mode: backup}", "mode: backup needs backup_workers: set parameter_server.backup_workers"),
        (
            "{mode: diloco, outer_momentum: 0, outer_nesterov: true}",
            "outer_nesterov: needs parameter_server.outer_momentum: set it above 0, such as 0.9",
        ),
        ("{mode: diloco, local_steps: 40000}", "local_steps: must be at most 32768, got 40000"),
        ("{mode: local}", "mode: local needs local_steps: set parameter_server.local_steps"),
        (
            "{mode: local, local_steps: 2, outer_nesterov: true}",
            "outer_nesterov: needs parameter_server.outer_momentum: set it above 0, such as 0.9",
        ),
        (
            "{mode: local, local_steps: 2, outer_learning_rate: 0}",
            "outer_learning_rate: must be greater than 0, got 0",
        ),
        ("{mode: ssp, max_staleness: -1}", "max_staleness: must be at least 0, got -1"),
        ("{mode: ssp, max_staleness: 257}", "max_staleness: must be at most 256, got 257"),
        (f"{{mode: ssp, max_staleness: {10**21}}}", f"max_staleness: must be at most 256, got {10**21}"),
        ("{timeout_seconds: 1e-6}", "timeout_seconds: must be at least 0.1, got 1e-06"),
        ("{timeout_seconds: 0}", "timeout_seconds: must be at least 0.1, got 0"),
        (
            "{mode: backup, backup_workers: 2}",
            "backup_workers: must be less than scaling.num_workers (2), got 2: an update would wait for no worker",
        ),
        ("{mode: asink}", "mode: unknown value 'asink': did you mean 'async'?"),
    ],
)
def test_an_option_of_another_mode_is_refused_in_one_line(file, section, problem):
    with pytest.raises(ConfigError) as caught:
        load_config(file(f"{BASE}parameter_server: {section}\n"))
    assert len(caught.value.problems) == 1
    assert f"parameter_server.{problem}" in caught.value.problems[0]
    assert caught.value.problems[0].startswith("job.yaml:")


def test_a_lazy_optimizer_is_refused_where_workers_update_by_themselves(file):
    lazy = "    lazy: true\n"
    assert load_config(file(BASE + lazy)).train.optimizer.lazy
    with pytest.raises(ConfigError) as caught:
        load_config(file(f"{BASE}{lazy}parameter_server: {{mode: local, local_steps: 2}}\n"))
    (problem,) = caught.value.problems
    assert "train.optimizer.lazy: does nothing in mode local" in problem
    assert problem.endswith("remove it, or set parameter_server.mode=sync")


def test_lazy_needs_a_rule_that_moves_what_has_no_gradient(file):
    sgd = BASE.replace("type: adam", "type: sgd")
    with pytest.raises(ConfigError, match="lazy: does nothing without momentum"):
        load_config(file(f"{sgd}    lazy: true\n"))
    assert load_config(file(f"{sgd}    lazy: true\n    momentum: 0.5\n")).train.optimizer.lazy
