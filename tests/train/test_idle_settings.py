"""Settings that do nothing where a job runs are told of, and no others."""

from typing import Any

import pytest

from dist_bp.train.checks import idle_settings
from tests.conftest import JobMaker

SPARE: dict[str, Any] = {"spare_workers": 1}
BOTH = SPARE | {"hang_seconds": 5}
TWO = {"num_workers": 2}


@pytest.mark.parametrize(
    ("sections", "nodes", "told"),
    [
        ({"scaling": TWO, "failure": BOTH}, 1, {}),
        ({"scaling": TWO}, 2, {}),
        ({"scaling": TWO, "failure": BOTH}, 2, dict.fromkeys(BOTH, "workers are on several nodes")),
        ({"scaling": {"num_workers": 0}, "failure": BOTH}, 1, dict.fromkeys(BOTH, "workers have no processes")),
        ({"scaling": TWO, "failure": BOTH, "ray": {"address": "auto"}}, 1, dict.fromkeys(SPARE, "may have other jobs")),
        (
            {"scaling": TWO, "parameter_server": {"compression": "int8"}},
            1,
            {"compression": "all workers are on one node"},
        ),
    ],
)
def test_what_does_nothing_is_told_with_the_reason(
    sections: dict[str, Any], nodes: int, told: dict[str, str], make_job: JobMaker
) -> None:
    lines = idle_settings(make_job(**sections), nodes)
    assert len(lines) == len(told)
    for name, why in told.items():
        assert any(f".{name} does nothing: " in line and why in line for line in lines), lines
