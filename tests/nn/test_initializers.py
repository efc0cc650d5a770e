import math

import numpy as np
import pytest

from dist_bp.errors import ConfigError
from dist_bp.nn import INITIALIZERS, initializer

SHAPE = (300, 500)
VARIANCES = {
    "glorot_uniform": 2 / 800,
    "glorot_normal": 2 / 800,
    "he_uniform": 2 / 300,
    "he_normal": 2 / 300,
    "lecun_uniform": 1 / 300,
    "lecun_normal": 1 / 300,
}


@pytest.mark.parametrize("name", VARIANCES)
def test_variance_and_distribution(name: str) -> None:
    values = initializer(name)(np.random.default_rng(0), SHAPE)
    deviation = math.sqrt(VARIANCES[name])
    assert values.shape == SHAPE
    assert values.mean() == pytest.approx(0.0, abs=4 * deviation / math.sqrt(values.size))
    assert values.var() == pytest.approx(VARIANCES[name], rel=0.02)
    within_three = np.abs(values).max() <= math.sqrt(3.0) * deviation
    assert within_three == name.endswith("uniform")


def test_positions_count_as_inputs_and_outputs() -> None:
    values = initializer("he_normal")(np.random.default_rng(0), (5, 5, 40, 60))
    assert values.var() == pytest.approx(2 / (25 * 40), rel=0.03)


@pytest.mark.parametrize("shape", [(40, 25), (25, 40), (30, 30), (3, 3, 4, 20)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    matrix = initializer("orthogonal")(np.random.default_rng(0), shape).reshape(-1, shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, np.eye(min(matrix.shape)), atol=1e-12)


def test_zeros() -> None:
    assert not initializer("zeros")(np.random.default_rng(0), (3, 4)).any()


def test_lookup() -> None:
    assert initializer(INITIALIZERS["zeros"]) is INITIALIZERS["zeros"]
    with pytest.raises(ConfigError, match=r"no initializer 'xavier': use one of glorot_uniform, .*zeros"):
        initializer("xavier")
