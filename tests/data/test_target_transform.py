from typing import Any

import numpy as np
import pytest

from dist_bp.data.moments import Standard
from dist_bp.data.targets import Targets, learn_targets
from dist_bp.errors import DataError

RANDOM = np.random.default_rng(0)
NAMES = ("standardize", "log", "log1p")
CURVES = {"standardize": np.asarray, "log": np.log, "log1p": np.log1p}


def learn(raw: Any, transform: Any, dtype: str = "float64") -> Targets:
    return learn_targets(np.asarray(raw), "regression", dtype, transform=transform)


@pytest.mark.parametrize("name", NAMES)
def test_each_column_is_learnt_with_mean_0_and_deviation_1_and_given_back(name: str) -> None:
    raw = np.exp(RANDOM.normal(size=(50, 2))) * [1e-3, 1e6]
    targets = learn(raw, name)
    curved = CURVES[name](raw)
    np.testing.assert_allclose(targets.encode(raw), (curved - curved.mean(axis=0)) / curved.std(axis=0), atol=1e-12)
    np.testing.assert_allclose(targets.undo(targets.encode(raw)), raw, rtol=1e-12)
    assert Targets.from_dict(targets.to_dict()) == targets


def test_float32_keeps_what_differs_far_from_0() -> None:
    raw = 1e9 + RANDOM.normal(size=100)
    targets = learn(raw, "standardize", "float32")
    encoded = targets.encode(raw)
    assert encoded.dtype == np.float32
    given_back = targets.undo(encoded)
    assert given_back.dtype == np.float64
    np.testing.assert_allclose(given_back[:, 0], raw, atol=1e-6)


def test_a_constant_column_becomes_0_and_is_given_back_exactly() -> None:
    targets = learn([[0.1, 1.0], [0.1, 2.0], [0.1, 4.0]], "standardize")
    assert targets.encode([[0.1, 1.0]])[0, 0] == 0
    assert targets.undo(np.array([[0.0, 0.0]]))[0, 0] == 0.1


def test_whole_numbers_are_counts() -> None:
    targets = learn(np.array([0, 1, 3]), "log1p")
    np.testing.assert_allclose(targets.undo(targets.encode([0, 7])), [[0], [7]], atol=1e-12)


def test_none_leaves_targets_alone() -> None:
    targets = learn([[3.0], [4.0]], "none", "float32")
    outputs = np.array([[1.5]], np.float32)
    assert targets.transform is None
    assert targets.encode([5.0]).tolist() == [[5.0]]
    assert targets.undo(outputs) is outputs


@pytest.mark.parametrize(
    ("name", "later", "message"),
    [
        (
            "log",
            [1.0, 0.0],
            r"target 0 in row 1 \(counted from 0\) has no log: .* than 0, .* standardize or log1p",
        ),
        ("log1p", [1.0, 2.0, -1.0], r"target -1 in row 2 .* has no log1p: .* greater than -1, .* to standardize$"),
    ],
)
def test_a_value_without_a_logarithm_is_told_with_its_row(name: str, later: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        learn([1.0, 2.0], name).encode(later)
    with pytest.raises(DataError, match=r"row 0 .*, column 1"):
        learn([[1.0, 2.0], [2.0, 3.0]], name).encode([[1.0, -3.0]])


def test_targets_too_large_are_refused() -> None:
    with pytest.raises(DataError, match=r"too large to be standardised \(up to 1e\+300\)"):
        learn([1e300, -1e300, 5.0], "standardize")
    with pytest.raises(DataError, match=r"row 0 .*too large for float32"):
        learn([1.0, 2.0], "standardize", "float32").encode([1e200])


def test_classes_have_no_logarithm() -> None:
    with pytest.raises(DataError, match=r"data\.target\.transform: log is for a regression"):
        learn_targets(np.array([0, 1]), "classification", "float32", transform="log")


@pytest.mark.parametrize("value", [1e308, -1e308])
def test_a_constant_column_of_any_size_becomes_0(value: float) -> None:
    """Their sum is no float any more."""
    constant = np.full((5, 1), value)
    assert (learn(constant, "standardize").encode(constant) == 0).all()
    standard = Standard()
    standard.update(constant)
    assert [part.tolist() for part in standard.result] == [[value], [1.0]]
