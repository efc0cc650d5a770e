"""Loss curves of whole jobs, equal to those of a reference written out in NumPy, and to recorded values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.checkpoint import load
from dist_bp.config import JobConfig
from dist_bp.train.job import run_job
from dist_bp.train.setup import prepare_job
from tests.database import rows
from tests.train.golden import Array, Reference, Slope, Update, adam, cross_entropy, momentum, squared_error

SEED, STEPS, SAMPLES, BATCH, GROUP = 11, 50, 141, 32, 8
"""The last batch of an epoch has 13 samples, groups of 8 and 5."""


@dataclass(frozen=True)
class Curve:
    """A job, the parts of the reference that it has alone, and the losses after 1, 10 and 50 steps.

    These are here so that a change of what a seed stands for, which the reference would follow, shows as well.
    """

    outputs: int
    loss: str
    optimizer: dict[str, Any]
    train: dict[str, Any]
    slope: Slope
    update: Update
    recorded: tuple[float, float, float]

    def targets(self, inputs: Array) -> Array:
        if self.loss == "cross_entropy":
            return (inputs @ np.random.default_rng(1).normal(size=(6, 4))).argmax(axis=1)
        return np.sin(inputs[:, : self.outputs]) + 0.3 * inputs[:, -self.outputs :]

    def learnt(self, targets: Array) -> Array:
        """Labels as they are; numbers with mean 0 and standard deviation 1 in each column."""
        if self.loss == "cross_entropy":
            return targets
        return (targets - targets.mean(axis=0)) / np.sqrt(((targets - targets.mean(axis=0)) ** 2).mean(axis=0))

    def config(self) -> JobConfig:
        layers = [
            {"type": "dense", "units": 16, "bias": False},
            {"type": "batch_norm", "momentum": 0.8},
            {"type": "activation", "function": "tanh"},
            {"type": "dropout", "rate": 0.3},
            {"type": "dense", "units": self.outputs},
        ]
        train = {"epochs": STEPS // 5, "batch_size": BATCH, "group_size": GROUP, "optimizer": self.optimizer}
        return JobConfig.model_validate(
            {
                "name": "golden",
                "seed": SEED,
                "data": {
                    "source": {"type": "npz", "path": "golden.npz"},
                    "split": {"validation": 0, "test": 0},
                },
                "model": {"layers": layers, "dtype": "float64"},
                "loss": {"type": self.loss},
                "train": train | self.train,
                "scaling": {"num_workers": 0},
                "checkpoint": {"monitor": "train_loss"},
                "tracking": {"system_metrics": False, "log_model": False, "every_steps": 1},
            }
        )


CURVES = {
    "classification": Curve(
        outputs=4,
        loss="cross_entropy",
        optimizer={"type": "sgd", "learning_rate": 0.1, "momentum": 0.9},
        train={},
        slope=cross_entropy,
        update=momentum(0.1, 0.9),
        recorded=(1.8727052541527889, 0.7860772784335581, 0.397223342718391),
    ),
    "regression": Curve(
        outputs=2,
        loss="mse",
        optimizer={"type": "adam", "learning_rate": 0.02, "weight_decay": 0.01},
        train={"schedule": {"type": "cosine", "warmup_steps": 10}, "clip_norm": 0.5},
        slope=squared_error,
        update=adam(0.02, warmup=10, steps=STEPS, weight_decay=0.01, clip_norm=0.5),
        recorded=(2.5569566165888675, 1.1546620464006696, 0.239944807277323),
    ),
}


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
def test_every_step_has_the_loss_of_the_reference(curve: Curve, database: Path) -> None:
    inputs = np.random.default_rng(0).normal(size=(SAMPLES, 6))
    targets = curve.targets(inputs)
    np.savez("golden.npz", x=inputs, y=targets)
    job = prepare_job(curve.config())
    parameters = {name: values.copy() for name, values in job.model.layout.named(job.initial.parameters).items()}
    reference = Reference(parameters, SEED, BATCH, GROUP, rate=0.3, momentum=0.8)
    expected = reference.train(inputs, curve.learnt(targets), STEPS, curve.slope, curve.update)

    result = run_job(curve.config())

    assert logged(result.run_id) == pytest.approx(expected, rel=1e-12)
    assert [expected[step] for step in (0, 9, 49)] == pytest.approx(curve.recorded, rel=1e-9)
    trained = load(Path(result.checkpoint), for_resuming=False)
    for name, values in reference.parameters.items():
        np.testing.assert_allclose(trained.parameters[name], values, rtol=1e-10, atol=1e-12, err_msg=name)
    for name, values in reference.statistics.items():
        np.testing.assert_allclose(trained.statistics[name], values, rtol=1e-10, atol=1e-12, err_msg=name)


def logged(run_id: str) -> list[float]:
    """The losses of a run's steps in the store."""
    query = "select value from metrics where run_uuid = ? and key = 'step/loss' order by step"
    return [value for (value,) in rows(query, run_id)]
