"""Models of every kind of samples as a run logs them and MLflow loads them: what they take, and what they give."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from dist_bp.errors import DataError
from dist_bp.serve import SavedModel
from dist_bp.serve.files import evaluate_file
from dist_bp.train.job import run_job
from tests.commands import run_here
from tests.conftest import JobMaker

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),  # pandas to MLflow, when it writes a table
]

ROWS = 60
EMBEDDING = {"type": "embedding", "size": 3}
LAST = {"type": "last"}


def arrays(name: str, **named: Any) -> dict[str, Any]:
    """A source of npz; samples of different lengths are written one behind the other."""
    stored = {}
    for key, one in named.items():
        if isinstance(one, list):
            stored[key], stored[f"{key}_lengths"] = np.concatenate(one), np.array([len(sample) for sample in one])
        else:
            stored[key] = one
    np.savez(name, **stored)
    return {"type": "npz", "path": name}


def job(make_job: JobMaker, source: dict[str, Any], layers: list[Any], *steps: dict[str, Any], **more: Any) -> Any:
    """The run of a small job, whose model is logged without a warning, and that model as MLflow loads it."""
    import mlflow.pyfunc

    from dist_bp.track.mlflow_store import opened_store

    data = {"source": source, "preprocess": [*steps], "split": {"validation": 0.2, "test": 0}}
    config = make_job(
        data=data,
        model={"layers": layers},
        train={"epochs": 1, "batch_size": 16},
        tracking={"log_model": True},
        **({"loss": {"type": "mse"}, "metrics": ["r2"]} | more),
    )
    result = run_job(config)
    assert result.model_uri, result
    with opened_store("sqlite:///mlflow.db") as client:
        mlflow.set_tracking_uri(client.tracking_uri)
        return result, mlflow.pyfunc.load_model(result.model_uri)


def predicted(result: Any, path: str) -> pd.DataFrame:
    """What the command makes of a file."""
    done = run_here("predict", result.model, path, "--output", "out.parquet", "--force")
    assert done.returncode == 0, done.stderr
    return pd.read_parquet("out.parquet")


def same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, wanted, check_exact=True)


def close(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """But for what the number of rows of a product changes."""
    pd.testing.assert_frame_equal(found, wanted, rtol=1e-5)


def objects(samples: list[Any]) -> Any:
    """An array (n,) of arrays."""
    made = np.empty(len(samples), object)
    made[:] = samples
    return made


def columns(logged: Any) -> list[str]:
    return [str(column) for column in logged.metadata.get_input_schema()]


def refused(logged: Any, given: Any, message: str) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=message):
        logged.predict(given)


def test_named_inputs(make_job: JobMaker) -> None:
    draw = np.random.default_rng(1)
    tokens, numbers = draw.integers(0, 5, (ROWS, 3)), draw.normal(size=(ROWS, 2)).astype(np.float32)
    source = arrays("named.npz", t=tokens, a=numbers, y=numbers[:, 0] + tokens[:, 0])
    source |= {"inputs": {"tokens": "t", "numbers": "a"}}
    layers = [
        {"type": "branches", "inputs": {"tokens": [EMBEDDING, {"type": "flatten"}], "numbers": []}},
        {"type": "dense", "units": 1},
    ]
    steps = [{"type": "integers", "input": "tokens"}, {"type": "standardize", "input": "numbers"}]
    result, logged = job(make_job, source, layers, *steps)
    assert columns(logged) == ["'tokens': Tensor('int64', (-1, 3))", "'numbers': Tensor('float32', (-1, 2))"]
    wanted = predicted(result, "named.npz")
    given = {"tokens": tokens, "numbers": numbers}
    same(logged.predict(given), wanted)
    same(logged.predict(pd.DataFrame({name: one.tolist() for name, one in given.items()})), wanted)
    close(logged.predict(logged.input_example), wanted[:5])
    refused(logged, {"tokens": tokens}, r"missing inputs \['numbers'\]")
    refused(logged, given | {"numbers": numbers.astype(np.float64)}, "float64 does not match expected dtype float32")


def test_numbers_of_different_lengths(make_job: JobMaker) -> None:
    draw = np.random.default_rng(2)
    samples = [draw.normal(size=(length, 2)).astype(np.float32) for length in draw.integers(1, 9, ROWS)]
    source = arrays("sounds.npz", x=samples, y=np.array([one.sum() for one in samples]))
    layers = [{"type": "dense", "units": 4}, {"type": "mean_over_time"}, {"type": "dense", "units": 1}]
    result, logged = job(make_job, source, layers, {"type": "standardize"})
    assert columns(logged) == ["'inputs': Any (required)"]
    wanted = predicted(result, "sounds.npz")
    same(logged.predict({"inputs": samples}), wanted)
    same(logged.predict(pd.DataFrame({"inputs": samples})), wanted)
    same(logged.predict(pd.DataFrame({"inputs": [one.tolist() for one in samples]})), wanted)
    close(logged.predict(logged.input_example), wanted[:5])
    alike = [one[:1] for one in samples if len(one) > 1]
    assert len(logged.predict({"inputs": alike})) == len(alike)
    refused(logged, objects(samples), r"missing inputs \['inputs'\]")


def test_tokens_of_different_lengths(make_job: JobMaker) -> None:
    draw = np.random.default_rng(3)
    samples = [draw.integers(0, 7, length) for length in draw.integers(1, 9, ROWS)]
    source = arrays("words.npz", x=samples, y=np.array([one[0] % 2 for one in samples]))
    layers = [EMBEDDING, LAST, {"type": "dense", "units": 2}]
    classes = {"loss": {"type": "cross_entropy"}, "metrics": ["accuracy"]}
    result, logged = job(make_job, source, layers, {"type": "integers"}, **classes)
    wanted = predicted(result, "words.npz")
    assert [str(one) for one in logged.metadata.get_output_schema()] == [
        "'prediction': long (required)", "'probability_0': float (required)", "'probability_1': float (required)",
    ]  # fmt: skip
    for given in (samples, objects(samples), [one.tolist() for one in samples]):
        same(logged.predict({"inputs": given}), wanted)
        same(logged.predict(pd.DataFrame({"inputs": given})), wanted)
    close(logged.predict(logged.input_example), wanted[:5])
    for given in ([[1, 2], [3, 4]], objects(samples)):
        refused(logged, given, r"missing inputs \['inputs'\]")


def test_several_inputs_one_of_different_lengths(make_job: JobMaker) -> None:
    draw = np.random.default_rng(4)
    tokens, numbers = [draw.integers(0, 7, length) for length in draw.integers(1, 9, ROWS)], draw.normal(size=(ROWS, 2))
    source = arrays("both.npz", words=tokens, numbers=numbers, y=numbers[:, 0])
    source |= {"inputs": {"words": "words", "numbers": "numbers"}}
    layers = [
        {"type": "branches", "inputs": {"words": [EMBEDDING, LAST], "numbers": []}},
        {"type": "dense", "units": 1},
    ]
    result, logged = job(make_job, source, layers, {"type": "integers", "input": "words"})
    assert logged.metadata.get_input_schema().input_names() == ["words", "numbers"]
    wanted = predicted(result, "both.npz")
    same(logged.predict({"numbers": numbers, "words": tokens}), wanted)
    same(logged.predict(pd.DataFrame({"words": tokens, "numbers": numbers.tolist()})), wanted)
    close(logged.predict(logged.input_example), wanted[:5])
    refused(logged, {"words": tokens}, r"missing inputs \['numbers'\]")


def test_columns_are_found_by_their_names(make_job: JobMaker) -> None:
    bunch = datasets.load_iris(as_frame=True)
    classes = {"loss": {"type": "cross_entropy"}, "metrics": ["accuracy"]}
    layers = [{"type": "dense", "units": 3}]
    result, logged = job(make_job, {"type": "sklearn", "name": "iris"}, layers, **classes)
    bunch.data.to_csv("iris.csv", index=False)
    wanted = predicted(result, "iris.csv")
    same(logged.predict(bunch.data[bunch.data.columns[::-1]]), wanted)
    same(logged.predict(bunch.data.to_dict("records")), wanted)
    for given in (bunch.data.to_numpy(), bunch.data.to_numpy().tolist()):
        refused(logged, given, r"missing inputs \['sepal length \(cm\)', ")


def test_one_number_a_sample(make_job: JobMaker) -> None:
    x = np.random.default_rng(5).normal(size=ROWS)
    result, logged = job(make_job, arrays("single.npz", x=x, y=2 * x), [{"type": "dense", "units": 1}])
    assert columns(logged) == ["Tensor('float64', (-1, 1))"]
    wanted = predicted(result, "single.npz")
    np.save("x.npy", x)
    same(predicted(result, "x.npy"), wanted)
    same(logged.predict(x[:, np.newaxis]), wanted)
    same(logged.predict(pd.DataFrame({"x": x})), wanted)
    refused(logged, x, r"\(60,\) does not match expected shape \(-1, 1\)")
    saved = SavedModel.load(result.model)
    same(saved.predict(x), wanted)
    assert evaluate_file(saved, "single.npz")[1] == saved.evaluate(x, 2 * x)


def test_a_list_is_no_category(make_job: JobMaker) -> None:
    frame = pd.DataFrame({"city": ["Bergen", "Oslo"] * 30, "kind": ["flat", "house", "hut"] * 20})
    frame.assign(y=np.arange(ROWS)).to_csv("homes.csv", index=False)
    source = {"type": "csv", "path": "homes.csv", "target": "y"}
    _, logged = job(make_job, source, [{"type": "dense", "units": 1}], {"type": "one_hot"})
    assert len(logged.predict(frame)) == ROWS
    with pytest.raises(DataError, match=r"column 'city' holds a list in row 0 .* a category is one value: give a row"):
        logged.predict(frame.to_dict("list"))
