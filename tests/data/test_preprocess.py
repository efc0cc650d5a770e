import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import dist_bp.data.inputs
from dist_bp.data import Features, Pipeline, Preprocessor
from dist_bp.data.conform import conform
from dist_bp.data.preprocess.categories import CategoriesStep as Categories
from dist_bp.data.preprocess.impute import Impute
from dist_bp.data.preprocess.min_max import MinMax
from dist_bp.data.preprocess.one_hot import OneHot
from dist_bp.data.preprocess.scale import Scale
from dist_bp.data.preprocess.standardize import Standardize
from dist_bp.data.targets import Targets
from dist_bp.errors import DataError
from dist_bp.types import Array

REGRESSION = Targets("regression", (1,), "float64")
MODERATE = st.floats(-1e6, 1e6, allow_subnormal=False)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows a block, so that what is tested is the merging of blocks."""
    monkeypatch.setattr(dist_bp.data.inputs, "BLOCK_BYTES", 128)
    monkeypatch.setattr("dist_bp.data.preprocess.impute.BLOCK_BYTES", 128)


def fit(raw: Any, *steps: Preprocessor, features: Features | None = None, rows: Any = None) -> Pipeline:
    features = features or Features(raw.shape[1:])
    inputs = conform(raw, features)
    return Pipeline.fit(
        steps, features, inputs, np.arange(len(inputs)) if rows is None else rows, REGRESSION, "float64"
    )


def table(**columns: Any) -> tuple[pd.DataFrame, Features]:
    frame = pd.DataFrame(columns)
    texts = tuple(name for name in frame if frame[name].dtype.kind not in "iuf")
    return frame, Features((len(columns),), tuple(columns), texts)


@given(arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 5)), elements=MODERATE))
@settings(deadline=None)
def test_standardize_agrees_with_numpy_on_the_whole_array(x: Array) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = fit(x, Standardize()).transform(x)
    constant = x.min(axis=0) == x.max(axis=0)
    deviation = np.where(constant, 1, x.std(axis=0))
    # A mean has a relative error of some rounding units, which counts where the deviation is small beside it.
    tolerance = 1e-9 + 1e-14 * np.abs(x).max() / np.where(deviation > 0, deviation, 1)
    wanted = (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    assert (np.abs(result - wanted)[:, ~constant & (deviation > 0)] <= tolerance.max() * 10).all()
    assert (result[:, constant] == 0).all()


def test_variance_survives_a_large_mean() -> None:
    x = 1e9 + np.random.default_rng(0).normal(size=(500, 2))
    result = fit(x, Standardize()).transform(x)
    np.testing.assert_allclose(result.std(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-6)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 5)), elements=MODERATE),
    st.floats(-5, 0),
    st.floats(0.5, 5),
)
@example(np.array([[np.finfo(np.float64).tiny], [0.0]]), -3.0, 1.0)
@settings(deadline=None)
def test_min_max_maps_the_extremes(x: Array, low: float, high: float) -> None:
    result = fit(x, MinMax(low, high)).transform(x)
    constant = x.max(axis=0) - x.min(axis=0) < np.finfo(np.float64).tiny * max(1.0, high - low)
    np.testing.assert_allclose(result.min(axis=0), low, atol=1e-9)
    np.testing.assert_allclose(result.max(axis=0)[~constant], high, atol=1e-9)
    np.testing.assert_allclose(result.max(axis=0)[constant], low, atol=1e-9)


def test_images_are_scaled_and_standardized_position_by_position() -> None:
    x = np.random.default_rng(1).integers(0, 256, (50, 4, 3), np.uint8)
    x[:, 0, 0] = 9
    np.testing.assert_allclose(fit(x, Scale()).transform(x), x / 255)
    result = fit(x, Scale(), Standardize()).transform(x)
    deviation = x.std(axis=0)
    np.testing.assert_allclose(result[:, 1:], ((x - x.mean(axis=0)) / np.where(deviation, deviation, 1))[:, 1:])
    assert (result[:, 0, 0] == 0).all()


def test_chosen_columns_only() -> None:
    frame, features = table(a=[1.0, 3.0], b=[10.0, 30.0], c=[5.0, 6.0])
    pipeline = fit(frame, Standardize(("a",)), MinMax(0, 1, ("c",)), features=features)
    np.testing.assert_allclose(pipeline.transform(frame), [[-1, 10, 0], [1, 30, 1]])
    plain = np.array([[1.0, 10.0], [3.0, 30.0]])
    np.testing.assert_allclose(fit(plain, Standardize(("1",))).transform(plain), [[1, -1], [3, 1]])


def test_one_hot_follows_the_numbers_and_is_left_alone_by_the_others() -> None:
    frame, features = table(size=[2, 4, 6, 8], town=["b", "a", "b", "c"], fine=[True, False, True, True])
    for steps in ([OneHot(), Standardize()], [Standardize(), OneHot()]):
        pipeline = fit(frame, *steps, features=features)
        assert pipeline.feature_names == ("size", "town=a", "town=b", "town=c", "fine=False", "fine=True")
        size = (frame["size"] - 5) / np.sqrt(5)
        town = [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
        fine = [[0, 1], [1, 0], [0, 1], [0, 1]]
        np.testing.assert_allclose(pipeline.transform(frame), np.column_stack([size, town, fine]))
    unseen = pipeline.transform([{"size": 5, "town": "z", "fine": True}])
    np.testing.assert_allclose(unseen, [[0, 0, 0, 0, 0, 1]], atol=1e-12)


def test_one_hot_of_numbers_does_not_care_for_their_type() -> None:
    features = Features((1,), ("code",), ("code",))
    pipeline = fit(pd.DataFrame({"code": [3, 1, 2]}), OneHot(), features=features)
    assert pipeline.feature_names == ("code=1", "code=2", "code=3")
    for row in (2, 2.0, "2", np.int64(2)):
        np.testing.assert_array_equal(pipeline.transform([{"code": row}]), [[0, 1, 0]])


NAN = float("nan")


@pytest.mark.parametrize(
    ("strategy", "wanted"), [("mean", [3.5, 6.0]), ("median", [2.5, 6.5]), ("most_frequent", [1.0, 7.0])]
)
def test_impute_agrees_with_pandas(strategy: Any, wanted: list[float]) -> None:
    x = np.array([[1, 7], [NAN, 4], [2, NAN], [3, 7], [8, NAN], [NAN, 6]] + [[NAN, NAN]] * 20)
    pipeline = fit(x, Impute(strategy))
    result = pipeline.transform(x)
    np.testing.assert_allclose(result[-1], wanted)
    frame = pd.DataFrame(x)
    oracle = {"mean": frame.mean(), "median": frame.median(), "most_frequent": frame.mode().iloc[0]}[strategy]
    np.testing.assert_allclose(result, frame.fillna(oracle))


def test_impute_categories_and_constants() -> None:
    frame, features = table(town=["a", None, "b", "b"], size=[1.0, NAN, 1.0, 5.0])
    pipeline = fit(frame, Impute("most_frequent"), OneHot(), features=features)
    np.testing.assert_array_equal(pipeline.transform(frame), [[1, 1, 0], [1, 0, 1], [1, 0, 1], [5, 0, 1]])
    pipeline = fit(frame, Impute("constant", "none"), Impute("constant", -1.0), OneHot(), features=features)
    assert pipeline.feature_names == ("size", "town=a", "town=b", "town=none")
    np.testing.assert_array_equal(pipeline.transform(frame)[1], [-1, 0, 0, 1])


def test_only_the_given_rows_are_learnt_from() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 3))
    x[rng.random(x.shape) < 0.1] = NAN
    rows = np.sort(rng.permutation(60)[:40])
    others = np.setdiff1d(np.arange(60), rows)
    steps = (Impute("median"), Standardize(), MinMax())
    before = fit(x, *steps, rows=rows).to_dict()
    x[others] = 1e3
    assert fit(x, *steps, rows=rows).to_dict() == before
    x[rows[0], 0] = 1e3
    assert fit(x, *steps, rows=rows).to_dict() != before


def test_a_pipeline_survives_json_bit_for_bit() -> None:
    rng = np.random.default_rng(3)
    frame, features = table(
        a=rng.normal(size=30) * 1e-7, b=np.where(np.arange(30) % 4, rng.normal(size=30), NAN), t=list("xyz") * 10
    )
    pipeline = fit(frame, Impute(columns=("b",)), Standardize(), Scale(1 / 3), OneHot(), features=features)
    text = json.dumps(pipeline.to_dict(), allow_nan=False)
    again = Pipeline.from_dict(json.loads(text))
    assert again.to_dict() == pipeline.to_dict()
    assert again.feature_names == pipeline.feature_names
    assert again.transform(frame).tobytes() == pipeline.transform(frame).tobytes()
    with pytest.raises(DataError, match="format 99"):
        Pipeline.from_dict(pipeline.to_dict() | {"format": 99})


def test_raw_rows_may_come_in_several_shapes() -> None:
    frame, features = table(a=[1.0, 2.0], t=["x", "y"], b=[3.0, 4.0])
    pipeline = fit(frame, OneHot(), features=features)
    wanted = pipeline.transform(frame)
    shuffled = frame[["b", "t", "a"]].assign(more=0)
    for raw in (shuffled, frame.to_dict("records"), frame.to_numpy(object), frame.to_numpy(object).tolist()):
        np.testing.assert_array_equal(pipeline.transform(raw), wanted)
    assert pipeline.transform(frame[:0]).shape == (0, 4)
    images = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(fit(images).transform(images.reshape(2, 12)), images)
    assert fit(np.zeros((2, 3)), features=Features((3,))).transform(pd.DataFrame(np.ones((1, 3)))).shape == (1, 3)


def test_the_argument_is_left_unchanged() -> None:
    x = np.random.default_rng(4).normal(size=(10, 2))
    x[0, 0] = NAN
    before = x.copy()
    fit(x, Impute(), Standardize()).transform(x)
    np.testing.assert_array_equal(x, before)


def error(call: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        call()
    return caught.value.problems


def test_wrong_columns_are_named_all_at_once_with_a_guess() -> None:
    frame, features = table(height=[1.0, 2.0], town=["a", "b"])
    steps = (Standardize(("heigth",)), MinMax(columns=("town",)), OneHot(("height",)), Impute(columns=("town",)))
    problems = error(lambda: fit(frame, *steps, features=features))
    assert len(problems) == 4
    assert "did you mean 'height'?" in problems[0]
    assert "'town' holds categories, not numbers: leave it out of columns" in problems[1]
    assert "data.source.categorical" in problems[2]
    assert "'town' holds categories, not numbers: use strategy: most_frequent" in problems[3]
    (coded,) = error(lambda: fit(frame, Categories(), Standardize(("town",)), features=features))
    assert "'town' holds categories, not numbers" in coded
    images = np.zeros((3, 2, 2))
    assert "columns cannot be chosen" in error(lambda: fit(images, Standardize(("0",))))[0]


def test_a_categorical_column_needs_one_hot() -> None:
    frame, features = table(power=["130", "?", "90"], town=["a", "b", "c"])
    problems = error(lambda: fit(frame, OneHot(("town",)), features=features))
    assert len(problems) == 1
    assert "'power'" in problems[0]
    assert "'?' in row 1" in problems[0]
    assert "one_hot" in problems[0]


def test_missing_values_at_the_wrong_place() -> None:
    frame, features = table(a=[1.0, NAN, 3.0], t=["x", None, "y"])
    assert "put an impute step before it" in error(lambda: fit(frame[["a"]].to_numpy(), Standardize()))[0]
    assert "before one_hot" in error(lambda: fit(frame, OneHot(), features=features))[0]
    empty = np.full((3, 1), NAN)
    assert "no value at all" in error(lambda: fit(empty, Impute()))[0]
    pipeline = fit(frame[:1], Standardize(), OneHot(), features=features)
    assert "column 'a' of row 1" in error(lambda: pipeline.transform([{"a": 1, "t": "x"}, {"a": None, "t": "x"}]))[0]
    assert "no column 't'" in error(lambda: pipeline.transform([{"a": 1}]))[0]
    assert "holds text, first 'tall' in row 0" in error(lambda: pipeline.transform([{"a": "tall", "t": "x"}]))[0]


def test_numbers_too_large_for_the_model() -> None:
    x = np.array([[1.0], [1e300]])
    pipeline = Pipeline(Features((1,)), [], REGRESSION, "float32")
    assert "1e+300, which is not finite in float32" in error(lambda: pipeline.transform(x))[0]
    assert "too large for float64" in error(lambda: fit(np.array([[1e308], [-1e308]]), MinMax()))[0]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([[1, 2], [3]], "ragged"),
        (np.array([[1, "a"]], object), "Python objects"),
        (np.array([["a", "b"]]), "text"),
        (np.zeros((2, 3)), r"\(n, 2\)"),
        (np.zeros(2), r"\(n, 2\)"),
        (np.zeros((1, 2), complex), "complex"),
    ],
)
def test_raw_inputs_of_the_wrong_kind(raw: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit(np.zeros((2, 2))).transform(raw)


def test_a_category_for_nearly_every_row_is_told_by_name() -> None:
    def made(count: int, times: int, **options: Any) -> int:
        frame, features = table(name=[f"k{row % count}" for row in range(count * times)])
        return len(fit(frame, OneHot(**options), features=features).feature_names or ())

    assert (made(19, 1), made(500, 2)) == (19, 500)
    lines = error(lambda: made(100, 1))
    assert lines[0].startswith(
        "preprocess step one_hot: column 'name' has 100 categories in 100 rows to train on: leave"
    )
    lines = error(lambda: made(501, 2))
    assert "column 'name' has 501 categories in 1,002 rows" in lines[0]
    assert "set max_categories: 501 to" in lines[0]
    assert (made(100, 1, max_categories=100), made(501, 2, max_categories=501)) == (100, 501)


def test_ids_that_became_floats_and_names_twice_are_refused() -> None:
    features = Features((2,), ("id", "x"), ("id",))
    frame = pd.DataFrame({"id": [2.0**53 + 2, np.nan], "x": [1, 2]})
    with pytest.raises(DataError, match=r"column 'id' holds categories as floats, first 9007199254740994\.0 in row 0"):
        conform(frame, features)
    exact = frame.assign(id=pd.array([2**53 + 1, None], "Int64"))
    assert conform(exact, features).texts.tolist() == [["9007199254740993"], [None]]
    frame.columns = ["x", "x"]
    with pytest.raises(DataError, match="the data has 2 columns with the name 'x'"):
        conform(frame, Features((1,), ("x",)))
