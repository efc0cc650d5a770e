from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dist_bp.data import Split, split_indices
from dist_bp.errors import DataError


@given(st.integers(30, 400), st.floats(0.05, 0.45), st.floats(0.05, 0.45), st.integers(0, 2**70))
@settings(deadline=None)
def test_splits_are_ascending_and_hold_every_sample_once(n: int, validation: float, test: float, seed: int) -> None:
    parts = split_indices(n, Split(validation, test), seed)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(n))
    assert len(parts["validation"]) == round(n * validation)
    assert len(parts["test"]) == round(n * test)
    assert all((np.diff(rows) > 0).all() for rows in parts.values())


@given(st.lists(st.integers(8, 60), min_size=2, max_size=6), st.floats(0.1, 0.3), st.integers(0, 99))
@settings(deadline=None)
def test_stratified_splits_keep_the_proportions(counts: list[int], fraction: float, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    parts = split_indices(len(labels), Split(fraction, fraction), seed, labels)
    total = round(len(labels) * fraction)
    for name in ("validation", "test"):
        assert len(parts[name]) == total
        found = Counter(labels[parts[name]].tolist())
        for label, count in enumerate(counts):
            exact = count * total / len(labels)
            assert abs(found[label] - exact) < 1
    assert set(labels[parts["train"]].tolist()) == set(range(len(counts)))


@given(st.lists(st.integers(1, 8), min_size=2, max_size=6), st.floats(0.1, 0.45), st.floats(0.1, 0.45))
@settings(max_examples=300, deadline=None)
def test_every_class_keeps_a_sample_to_train_on(counts: list[int], validation: float, test: float) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    try:
        parts = split_indices(len(labels), Split(validation, test), 0, labels)
    except DataError:
        assert len(labels) - round(len(labels) * validation) - round(len(labels) * test) < len(counts) or (
            min(round(len(labels) * validation), round(len(labels) * test)) == 0
        )
        return
    assert set(labels[parts["train"]].tolist()) == set(range(len(counts)))


def test_exact_proportions_are_met_exactly() -> None:
    labels = np.repeat(["a", "b", "c"], [50, 30, 20])
    parts = split_indices(100, Split(0.2, 0.1), 3, labels)
    assert Counter(labels[parts["validation"]].tolist()) == {"a": 10, "b": 6, "c": 4}
    assert Counter(labels[parts["test"]].tolist()) == {"a": 5, "b": 3, "c": 2}


def test_the_split_is_a_function_of_its_arguments() -> None:
    labels = np.arange(200) % 3
    one, same = (split_indices(200, Split(), 1, labels) for _ in range(2))
    other, plain = split_indices(200, Split(), 2, labels), split_indices(200, Split(stratify=False), 1, labels)
    for name, rows in one.items():
        np.testing.assert_array_equal(rows, same[name])
    assert (one["test"] != other["test"]).any()
    np.testing.assert_array_equal(plain["test"], split_indices(200, Split(), 1)["test"])


def test_a_fraction_of_zero_leaves_the_split_out() -> None:
    assert set(split_indices(10, Split(0.0, 0.0), 0)) == {"train"}
    assert set(split_indices(10, Split(0.2, 0.0), 0)) == {"train", "validation"}


def test_tiny_data_names_every_empty_split() -> None:
    with pytest.raises(DataError) as caught:
        split_indices(3, Split(0.1, 0.1), 0)
    assert len(caught.value.problems) == 2
    assert "the validation split of 3 samples is empty" in caught.value.problems[0]


@pytest.mark.parametrize(("samples", "held_out", "remedies"), [
    (1, (0.2, 0.2), {"validation": "give more data, or set data.split.validation to 0",
                     "test": "give more data, or set data.split.test to 0"}),
    (2, (0.1, 0.0), {"validation": "raise data.split.validation to at least 0.5, or set it to 0"}),
    (2, (0.1, 0.1), {"validation": "give more data, or set data.split.validation to 0",
                     "test": "give more data, or set data.split.test to 0"}),
    (3, (0.6, 0.1), {"test": "give more data, or set data.split.test to 0"}),
    (7, (0.4, 0.05), {"test": "raise data.split.test to at least 0.14, or set it to 0"}),
])  # fmt: skip
def test_what_helps_against_an_empty_split(
    samples: int, held_out: tuple[float, float], remedies: dict[str, str]
) -> None:
    with pytest.raises(DataError) as caught:
        split_indices(samples, Split(*held_out), 0)
    said = f"split of {samples} sample{'s' * (samples > 1)} is empty"
    assert caught.value.problems == [f"the {name} {said}: {remedy}" for name, remedy in remedies.items()]
    fractions = {"validation": held_out[0], "test": held_out[1]}
    for name, remedy in remedies.items():
        fractions[name] = float(remedy.partition("at least ")[2].partition(",")[0] or 0)
    assert {"train", *(name for name, one in fractions.items() if one)} == {
        *split_indices(samples, Split(**fractions), 0)
    }


def test_nothing_left_to_train_on() -> None:
    with pytest.raises(DataError, match="the training split of 2 samples is empty"):
        split_indices(2, Split(0.5, 0.4), 0)


def test_too_few_samples_a_class_to_stratify() -> None:
    with pytest.raises(DataError, match="stratify: false"):
        split_indices(10, Split(0.2, 0.2), 0, np.arange(10))
