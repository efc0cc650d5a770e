"""What a lease that ends early has measured: samples of the updates that were made, and no others."""

import time
from typing import Any

import pytest

from dist_bp.nn import Backward, Context, Views
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train.setup import prepare_job
from dist_bp.types import Array
from tests.conftest import JobMaker
from tests.runtime.layers import NotFinite
from tests.runtime.test_ray_runtime import plan_of


class LateNaN(NotFinite):
    """The same, but so late that whoever does not have to wait is as far ahead as the mode lets it."""

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        if ctx.step in self._at and ctx.groups[0].index == 0:
            time.sleep(0.3)
        return super().forward(x, params, ctx)


@pytest.mark.parametrize(
    ("mode", "servers"), [({"mode": "ssp", "max_staleness": 3}, "auto"), ({"mode": "sync"}, 2)], ids=["ssp", "sync"]
)
def test_samples_of_updates_that_were_not_made_are_in_no_metric(
    make_job: JobMaker, mode: dict[str, Any], servers: int | str
) -> None:
    job = prepare_job(
        make_job(
            model={"layers": [{"type": f"{__name__}:LateNaN", "at": [4], "group": 0}]},
            metrics=["accuracy"],
            parameter_server=mode,
            scaling={"num_workers": 2, "servers_per_node": servers},
        )
    )
    with ThreadRuntime(plan_of(job), job.metrics) as runtime:
        runtime.start(job.initial)
        report = runtime.train(0, 7, 1.0, 10.0)
    assert report.steps == 4
    assert sum(states["accuracy"]["count"].sum() for states in report.metrics.values()) == report.counts.sum() == 4 * 32
