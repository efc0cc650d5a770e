import math

import numpy as np
import pytest
from sklearn import metrics as sk

from dist_bp.components import metric
from dist_bp.errors import ShapeError

ORACLES = {"mse": sk.mean_squared_error, "mae": sk.mean_absolute_error, "r2": sk.r2_score}


def measure(name: str, outputs: np.ndarray, targets: np.ndarray, batch: int = 16) -> float:
    measured = metric(name)
    state = measured.empty()
    for start in range(0, len(outputs), batch):
        measured.update(state, outputs[start : start + batch], targets[start : start + batch])
    result = measured.result(state)
    assert isinstance(result, float)
    return result


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ORACLES)
def test_equals_scikit_learn(name: str, dtype: str, units: int) -> None:
    generator = np.random.default_rng(units)
    targets = generator.normal(2, [1, 10, 100][:units], (150, units)).astype(dtype)
    outputs = (targets + generator.normal(0, [0.5, 9, 10][:units], (150, units))).astype(dtype)
    wanted = ORACLES[name](targets.astype(float), outputs.astype(float))
    assert measure(name, outputs, targets) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("name", ORACLES)
def test_flat_targets_fit_one_unit(name: str) -> None:
    generator = np.random.default_rng(5)
    outputs, targets = generator.standard_normal((50, 1)), generator.standard_normal((50, 1))
    assert measure(name, outputs, targets[:, 0]) == measure(name, outputs, targets)


def test_r2_of_targets_with_a_large_mean() -> None:
    generator = np.random.default_rng(6)
    noise, error = generator.standard_normal((1000, 1)), generator.normal(0, 0.5, (1000, 1))
    targets = noise + 1e9
    outputs = targets + error
    exact = 1 - np.sum((outputs - targets) ** 2) / np.sum((targets - 1e9 - np.mean(targets - 1e9)) ** 2)
    assert measure("r2", outputs, targets) == pytest.approx(exact, rel=1e-9)


def test_r2_of_constant_targets() -> None:
    targets = np.full((30, 1), 0.1)
    assert measure("r2", targets, targets) == 1.0
    assert measure("r2", targets + 1.0, targets) == 0.0
    both = np.hstack([targets, np.arange(30.0)[:, None]])
    assert measure("r2", both + np.array([1.0, 0.0]), both) == 0.5


@pytest.mark.parametrize("name", ORACLES)
def test_without_samples_there_is_no_result(name: str) -> None:
    assert math.isnan(measure(name, np.zeros((0, 2)), np.zeros((0, 2))))


def test_r2_of_one_sample_is_nan() -> None:
    assert math.isnan(measure("r2", np.zeros((1, 2)), np.zeros((1, 2))))


@pytest.mark.parametrize("rows", [0, 5])
@pytest.mark.parametrize("name", ORACLES)
def test_outputs_that_do_not_fit_the_targets_are_refused(name: str, rows: int) -> None:
    measured = metric(name)
    with pytest.raises(ShapeError, match=r"1 output units do not fit targets of shape \(3,\) a sample"):
        measured.update(measured.empty(), np.zeros((rows, 1)), np.zeros((rows, 3)))
