"""What some leases of a job on this machine are taken for."""

import pytest

from dist_bp.train.rehearsal import Rehearsal


def of_steps(*steps: float) -> Rehearsal:
    return Rehearsal(steps, gradient=1e-3, slowest=1.1e-3, update=2e-4, spread=[1.0], memory={})


def test_a_step_is_that_of_the_lease_in_the_middle() -> None:
    assert of_steps(1.4e-3, 1.5e-3, 9e-3).step == 1.5e-3
    assert of_steps(1.4e-3, 1.5e-3, 9e-3).signal == pytest.approx(2e-4)


def test_waits_are_never_less_than_nothing() -> None:
    assert of_steps(1e-3).signal == 0


def test_other_work_on_the_machine_is_told() -> None:
    assert of_steps(1.4e-3, 1.5e-3, 1.7e-3).unsteady is None
    assert of_steps(1.4e-3, 1.5e-3, 1.8e-3).unsteady == (
        "a step took 1.4 to 1.8 ms: other work keeps this machine busy, and the forecast is as uncertain"
    )
