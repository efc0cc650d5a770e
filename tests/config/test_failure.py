"""What a run does about a NaN: policies that its mode and its checkpoints allow."""

import pytest

from dist_bp.config import load_config
from dist_bp.errors import ConfigError
from tests.config.conftest import BASE

NO_CHECKPOINTS = "checkpoint: {every_epochs: null}\n"


@pytest.mark.parametrize(
    "sections",
    [
        "failure: {non_finite: skip, max_failures: 0}\nparameter_server: {mode: sync}\n",
        "failure: {non_finite: skip}\nparameter_server: {mode: backup, backup_workers: 1}\n",
        "failure: {non_finite: skip}\nparameter_server: {mode: local, local_steps: 8}\n" + NO_CHECKPOINTS,
        "failure: {non_finite: rollback}\nparameter_server: {mode: ssp, max_staleness: 1}\n",
        "failure: {non_finite: rollback}\nparameter_server: {mode: async}\n",
        "failure: {spare_workers: 2}\nparameter_server: {mode: local, local_steps: 8}\n",
        "failure: {non_finite: rollback}\ncheckpoint: {every_epochs: null, every_steps: 5}\n",
        "failure: {non_finite: stop}\nparameter_server: {mode: async}\n" + NO_CHECKPOINTS,
    ],
)
def test_policies_that_can_be_kept(file, sections):
    assert load_config(file(BASE + sections)).failure.model_fields_set


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        (
            "failure: {non_finite: skip}\nparameter_server: {mode: ssp, max_staleness: 1}\n",
            "failure.non_finite: mode ssp has other updates under way, and none of them can be skipped alone: set it "
            "to rollback or stop, or parameter_server.mode=sync",
        ),
        ("failure: {non_finite: skip}\nparameter_server: {mode: async}\n", "failure.non_finite: mode async has other"),
        (
            "failure: {non_finite: rollback}\n" + NO_CHECKPOINTS,
            "failure.non_finite: rollback has nothing to go back to: set checkpoint.every_epochs or "
            "checkpoint.every_steps",
        ),
        ("failure: {non_finite: rolback}\n", "failure.non_finite: unknown value 'rolback': did you mean 'rollback'?"),
        (
            "failure: {spare_workers: 1}\nparameter_server: {mode: async}\n",
            "failure.spare_workers: is for parameter_server.mode=sync or local or diloco with "
            "scaling.servers_per_node=auto: remove it, or set these",
        ),
        (
            "failure: {hang_seconds: 5}\nscaling: {servers_per_node: 2}\n",
            "failure.hang_seconds: is for parameter_server.mode=sync or local or diloco with "
            "scaling.servers_per_node=auto: remove it, or set these",
        ),
        (
            "scaling: {num_workers: 0, min_workers: 1}\n",
            "scaling.min_workers: there are no workers (scaling.num_workers is 0): remove it, or set num_workers to 1 "
            "or more",
        ),
        (
            "scaling: {num_workers: 2, min_workers: 3}\n",
            "scaling.min_workers: must be at most scaling.num_workers (2), got 3",
        ),
        *(
            (
                f"scaling: {{num_workers: {workers}}}\nparameter_server: {{mode: backup, backup_workers: 1}}\n",
                f"parameter_server.backup_workers: needs 2 workers or more, and scaling.num_workers is {workers}: "
                "raise that, or remove it with parameter_server.mode=backup",
            )
            for workers in (0, 1)
        ),
        ("failure: {hang_seconds: 0.05}\n", "failure.hang_seconds: must be at least 0.1, got 0.05"),
        ("ray: {start_seconds: 1e-6}\n", "ray.start_seconds: must be at least 0.1, got 1e-06"),
        ("failure: {max_failures: -1}\n", "failure.max_failures: must be at least 0, got -1"),
    ],
)
def test_others_are_refused_in_one_line(file, sections, problem):
    with pytest.raises(ConfigError) as caught:
        load_config(file(BASE + sections))
    (line,) = caught.value.problems
    assert problem in line
    assert line.startswith("job.yaml:")
