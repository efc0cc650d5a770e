from dataclasses import replace

import numpy as np
import pytest

from dist_bp.checkpoint import CheckpointStore
from dist_bp.data import Batches
from dist_bp.errors import CheckpointError
from dist_bp.train.job import run_job
from dist_bp.train.trail import KEPT, Trail
from dist_bp.types import Array
from tests.conftest import JobMaker

BATCHES = Batches(samples=100, batch_size=2, group_size=1, seed=5)
"""50 steps an epoch."""


def walked(steps: int, lease: int) -> Trail:
    trail = Trail()
    for first in range(0, steps, lease):
        losses = np.arange(first, min(first + lease, steps), dtype=np.float64)
        trail.add(2 * losses, np.full(len(losses), 2.0), BATCHES)
    return trail


def test_it_keeps_the_newest_steps_and_the_orders_of_their_epochs() -> None:
    trail = walked(KEPT + 125, lease=60)
    assert (trail.first, trail.step) == (126, KEPT + 125)
    np.testing.assert_array_equal(trail.losses, np.arange(125, KEPT + 125))
    assert [*trail.orders] == [*range(2, (KEPT + 125) // 50 + 1)]
    assert trail.orders[4] == BATCHES.digest(4)
    np.testing.assert_array_equal(trail.losses_of(1, 128), [125, 126, 127])
    assert len(trail.losses_of(1, 125)) == 0


def test_it_goes_on_from_a_checkpoint_as_if_nothing_had_been() -> None:
    whole, part = walked(130, lease=65), walked(65, lease=13)
    again = Trail.of(part.arrays(), 65)
    again.add(2.0 * np.arange(65, 130), np.full(65, 2.0), BATCHES)
    assert again.orders == whole.orders
    np.testing.assert_array_equal(again.losses, whole.losses)
    assert Trail.of({}, 7).first == 8
    weightless = Trail()
    weightless.add(np.zeros(1), np.zeros(1), BATCHES)
    assert np.isnan(weightless.losses).all()


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("trail/losses", np.zeros(1000)),
        ("trail/losses", np.zeros(8, np.float32)),
        ("trail/epochs", np.zeros(9, np.int64)),
        ("trail/orders", np.zeros((1, 31), np.uint8)),
    ],
)
@pytest.mark.usefixtures("database")
def test_a_run_does_not_go_on_from_one_that_cannot_be(name: str, array: Array, make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 1}))
    store = CheckpointStore(result.run_folder / "checkpoints")
    found = store.latest()
    assert found
    store.save(replace(found.checkpoint, progress={**found.checkpoint.progress, name: array}))
    with pytest.raises(
        CheckpointError, match="no run goes on from this checkpoint: the losses and orders of its steps"
    ):
        run_job(make_job(train={"epochs": 2}), resume="auto")
