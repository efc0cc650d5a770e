import json
from typing import Any

import numpy as np
import pytest

from dist_bp.data.targets import Targets, learn_targets, target_array
from dist_bp.errors import ConfigError, DataError


def learn(raw: Any, task: Any = "classification", **options: Any) -> Targets:
    return learn_targets(target_array(raw), task, "float32", **options)


@pytest.mark.parametrize(
    ("raw", "classes", "codes"),
    [
        ([7, 3, 3, 5], (3, 5, 7), [2, 0, 0, 1]),
        (np.array([1, 0, 1], np.uint8), (0, 1), [1, 0, 1]),
        ([True, False, True], ("False", "True"), [1, 0, 1]),
        ([-1.0, 1.0, 1.0], (-1, 1), [0, 1, 1]),
        (["no", "yes", "no"], ("no", "yes"), [0, 1, 0]),
        (np.array(["no", "yes", "no"], object), ("no", "yes"), [0, 1, 0]),
        ([[2], [4]], (2, 4), [0, 1]),
    ],
)
def test_labels_become_positions_in_the_sorted_classes(raw: Any, classes: Any, codes: list[int]) -> None:
    targets = learn(raw)
    assert targets.classes == classes
    encoded = targets.encode(raw)
    assert encoded.dtype == np.int64
    assert encoded.tolist() == codes
    assert Targets.from_dict(targets.to_dict()) == targets


def test_named_classes_take_numbers_and_names() -> None:
    targets = learn([0, 2, 1, 2], named=("rose", "iris", "lily"))
    assert targets.classes == ("rose", "iris", "lily")
    assert targets.encode([2, 0]).tolist() == targets.encode(["lily", "rose"]).tolist() == [2, 0]
    targets = learn(["lily", "rose"], named=("rose", "iris", "lily"))
    assert targets.encode(["iris", "lily"]).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("raw", "wanted", "place"),
    [
        (["no", "yes"], "no", 0),
        (["no", "yes"], True, 1),  # what YAML makes of yes
        (["off", "on"], False, 0),
        ([1, 2], 2, 1),
        ([1, 2], "1", 0),
        ([False, True], 1, 1),
    ],
)
def test_a_class_is_found_by_its_name(raw: Any, wanted: Any, place: int) -> None:
    assert learn(raw).position(wanted, "decision.positive") == place


def test_a_name_that_is_no_class_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"decision\.positive is 'maybe', which is no class: .*: 'no', 'yes'"):
        learn(["no", "yes"]).position("maybe", "decision.positive")


def test_regression_targets_are_columns_of_the_models_dtype() -> None:
    targets = learn([1, 2, 3], "regression")
    encoded = targets.encode([1.5, 2.5])
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[1.5], [2.5]]
    assert learn(np.zeros((4, 3)), "regression").encode(np.ones((2, 3))).shape == (2, 3)


def test_several_labels_a_sample() -> None:
    raw = np.array([[0, 1, 1], [1, 0, 0]])
    targets = learn(raw)
    assert targets.classes is None
    assert targets.encode(raw).dtype == np.float32
    with pytest.raises(DataError, match="0 or 1"):
        learn(raw * 2)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([0, 1.5], "label 1.5 is not a whole number"),
        ([4, 4], "all training labels are 4"),
        ([0.0, np.nan], r"row 1 \(counted from 0\) is missing"),
        (np.array([[0.0, 1.0], [0.0, np.inf]]), "row 1 .*, column 1"),
        ([[1, 2], []], "no position in row 1"),
        ([[[1], [2, 3]], [[4]]], "ragged along more than their first axis"),
        (np.array(["a", None, "b"], object), "None in row 1"),
        (np.array(["a", np.nan, "b"], object), "nan in row 1"),
        (np.array([{}, {}]), "neither a number nor text"),
        (np.zeros((2, 2, 2)), r"\(2, 2, 2\)"),
    ],
)
def test_targets_that_cannot_be_labels(raw: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        learn(raw)


def test_truth_values_are_classes_by_their_names_and_fit_those_that_were_0_and_1() -> None:
    learnt = learn(np.array([True, False, True]))
    assert learnt.classes == ("False", "True")
    assert learnt.encode(np.array([False, True])).tolist() == [0, 1]
    assert learnt.encode(["True", "False"]).tolist() == [1, 0]
    assert Targets.from_dict(json.loads(json.dumps(learnt.to_dict()))) == learnt
    assert learn([0, 1]).encode(np.array([True, False])).tolist() == [1, 0]
    assert learn(np.array([True, False]), named=("no", "yes")).encode(np.array([True, False])).tolist() == [1, 0]
    assert learn(np.array([0.0, 1.0])).classes == (0, 1)
    amounts = learn(np.array([True, False]), "regression").encode(np.array([True, False]))
    assert amounts.tolist() == [[1.0], [0.0]]


def test_labels_out_of_range() -> None:
    with pytest.raises(DataError, match=r"label 9 in row 1 .* is out of range: .* 3 classes: 0, 1, 2"):
        learn([0, 1, 2]).encode([0, 9])
    with pytest.raises(DataError, match="label 3 in row 2"):
        learn([0, 1, 3], named=("a", "b", "c"))
    with pytest.raises(DataError, match="label 'd'"):
        learn(["a", "d"], named=("a", "b", "c"))


def test_regression_of_text_and_of_what_float32_cannot_hold() -> None:
    with pytest.raises(DataError, match="found 'a'"):
        learn(["a", "b"], "regression").encode(["a"])
    with pytest.raises(DataError, match=r"row 0 .* too large for float32"):
        learn([1.0], "regression").encode([1e300])


def test_a_class_is_known_however_a_table_spells_it() -> None:
    targets = learn_targets(np.array(["true", "false", "true"]), "classification", "float32")
    assert targets.classes == ("false", "true")
    assert targets.encode(np.array([True, False], object)).tolist() == [1, 0]
    versions = learn_targets(np.array(["1", "1.0", "2"]), "classification", "float32")
    assert versions.encode(np.array(["1.0", "1", "2"], object)).tolist() == [1, 0, 2]
    with pytest.raises(DataError, match=r"label '1\.00' in row 0"):
        versions.encode(np.array(["1.00"], object))
    assert versions.encode(np.array([2.0])).tolist() == [2]
    with pytest.raises(DataError, match=r"label 1 is a number, and there are the classes 1 and 1\.0: give it as text"):
        versions.encode(np.array([2, 1]))
    assert learn_targets(np.array(["007", "0.50"]), "classification", "float32").encode([0.5, 7]).tolist() == [0, 1]
