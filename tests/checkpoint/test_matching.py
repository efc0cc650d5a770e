from typing import Any

import numpy as np
import pytest

from dist_bp.checkpoint import check_matches
from dist_bp.errors import CheckpointError
from tests.checkpoint.samples import sample

SAME: dict[str, Any] = {
    "parameters": {"0.weight": (4, 3), "0.bias": (3,)},
    "statistics": {"1.mean": (3,)},
    "dtype": "float32",
    "data_digest": "da7a" * 16,
    "slots": ("m", "v"),
}


def test_the_same_model_and_data_match() -> None:
    check_matches(sample(), **SAME)
    check_matches(sample(optimizer={"momentum": np.zeros(15, np.float32)}), **SAME | {"slots": None})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"parameters": {"0.weight": (4, 5), "0.bias": (3,)}},
            "layer 0.weight is (4, 3) in the checkpoint, (4, 5) in the configuration",
        ),
        (
            {"parameters": {"0.weight": (4, 3)}},
            "layer 0.bias is in the checkpoint and not in the configuration",
        ),
        ({"statistics": {"1.mean": (3,), "1.var": (3,)}}, "layer 1.var is in the configuration and not"),
        ({"dtype": "float64"}, "the model is float32 in the checkpoint, float64 in the configuration"),
        ({"data_digest": "other"}, "the data is da7ada7ada7a in the checkpoint, other in the configuration"),
        (
            {"slots": ("momentum",)},
            "the optimizer keeps m, v in the checkpoint, momentum in the configuration",
        ),
        ({"slots": ()}, "the optimizer keeps m, v in the checkpoint, no state in the configuration"),
    ],
)
def test_each_difference_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        check_matches(sample(), **SAME | change)
    assert message in caught.value.problems[0]
    assert len(caught.value.problems) == 2  # and the remedy


def test_all_differences_are_named_at_once() -> None:
    with pytest.raises(CheckpointError) as caught:
        check_matches(sample(), **SAME | {"dtype": "float64", "data_digest": "x", "slots": (), "parameters": {}})
    assert len(caught.value.problems) == 6
