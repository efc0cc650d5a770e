import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.metrics import accuracy_score, log_loss, r2_score

from dist_bp.checkpoint import load
from dist_bp.checkpoint.format import write_directory
from dist_bp.components import metric
from dist_bp.data import Pipeline, Prepared
from dist_bp.errors import CheckpointError, DataError
from dist_bp.serve import SavedModel
from dist_bp.serve.files import evaluate_file, predict_files
from tests.serve.samples import configuration, save

IRIS = {"type": "sklearn", "name": "iris"}


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(configuration(tmp_path_factory.mktemp("iris"), IRIS, 3, model=float64(3)))


def float64(units: int) -> dict[str, Any]:
    layers = [{"type": "dense", "units": 5, "activation": "relu"}, {"type": "dense", "units": units}]
    return {"dtype": "float64", "layers": layers}


def logits_by_hand(path: Path, rows: np.ndarray) -> np.ndarray:
    """Standardized by the training split, two dense layers."""
    [folder] = (path.parents[3] / "prepared").glob("*/schema.json")
    prepared = Prepared.open(folder.parent)
    checkpoint = load(path)
    p = checkpoint.parameters
    [step] = checkpoint.pipeline["steps"]
    x = (rows - np.array(step["offset"])) * np.array(step["factor"])
    assert abs(prepared.split("train").inputs.mean(axis=0)).max() < 1e-12
    logits: np.ndarray = np.maximum(x @ p["0.weight"] + p["0.bias"], 0) @ p["1.weight"] + p["1.bias"]
    return logits


def test_predictions_are_those_of_the_network_on_preprocessed_rows(iris: Path) -> None:
    bunch = datasets.load_iris()
    predicted = SavedModel.load(iris).predict(bunch.data)
    logits = logits_by_hand(iris, bunch.data)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = list(bunch.target_names)
    assert list(predicted.columns) == ["prediction", *(f"probability_{name}" for name in names)]
    np.testing.assert_allclose(predicted.iloc[:, 1:], expected, rtol=1e-12)
    assert list(predicted["prediction"]) == [names[i] for i in logits.argmax(axis=1)]


def test_arrays_tables_and_dicts_are_the_same_rows(iris: Path) -> None:
    model = SavedModel.load(iris)
    bunch = datasets.load_iris()
    expected = model.predict(bunch.data)
    frame = pd.DataFrame(bunch.data, columns=bunch.feature_names)
    shuffled = frame[frame.columns[::-1]].assign(other="x")
    for raw in (bunch.data.tolist(), frame, shuffled, frame.to_dict("records")):
        pd.testing.assert_frame_equal(model.predict(raw), expected)


@pytest.mark.parametrize("rows", [1, 7, 150, 1000])
def test_the_size_of_a_batch_does_not_matter(iris: Path, rows: int) -> None:
    model = SavedModel.load(iris)
    data = datasets.load_iris().data
    pd.testing.assert_frame_equal(model.predict(data, rows), model.predict(data), rtol=1e-12)


def test_no_rows_give_an_empty_table_with_all_columns(iris: Path) -> None:
    model = SavedModel.load(iris)
    empty = model.predict(np.empty((0, 4)))
    assert len(empty) == 0
    assert list(empty.columns) == list(model.predict(np.ones((1, 4))).columns)


def test_rows_of_another_form_are_refused(iris: Path) -> None:
    model = SavedModel.load(iris)
    frame = pd.DataFrame(datasets.load_iris().data, columns=datasets.load_iris().feature_names)
    with pytest.raises(DataError, match="petal width"):
        model.predict(frame.drop(columns="petal width (cm)"))
    with pytest.raises(DataError, match=r"\(n, 4\)"):
        model.predict(np.ones((2, 5)))
    frame.iloc[149, 0] = np.nan
    with pytest.raises(DataError, match=r"row 149 .* is missing"):
        model.predict(frame, batch_rows=10)


@pytest.mark.parametrize("most", [1, 3000])
def test_predictions_in_parts_are_those_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    lengths = draw.integers(1, 9, 60)
    x, y = draw.normal(size=(lengths.sum(), 3)), draw.integers(0, 3, lengths.sum())
    np.savez("d.npz", x=x, y=y, x_lengths=lengths, y_lengths=lengths)
    model = SavedModel.load(save(configuration(tmp_path, {"type": "npz", "path": "d.npz"}, 3)))
    samples = np.split(x, np.cumsum(lengths)[:-1])
    whole = model.predict(samples)
    monkeypatch.setattr("dist_bp.serve.saved_model.OUTPUT_BYTES", most)
    parts = [*model.predict_in_parts(samples, batch_rows=7)]
    assert len(parts) == (9 if most == 1 else 2)
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole, rtol=1e-5)
    pd.testing.assert_frame_equal(model.predict(samples), whole, rtol=1e-5)
    written: list[pd.DataFrame] = []
    assert predict_files(model, ["d.npz"], written.append) == (60, None)
    pd.testing.assert_frame_equal(pd.concat(written, ignore_index=True), whole, rtol=1e-5)
    monkeypatch.setattr("dist_bp.nn.model.SIGNAL_BYTES", 8 * 8 * 5 * 4)  # 8 samples, as they are padded
    pd.testing.assert_frame_equal(model.predict(samples), whole, rtol=1e-5)


def test_statistics_are_the_running_ones(tmp_path: Path) -> None:
    layers = [{"type": "dense", "units": 5}, {"type": "batch_norm"}, {"type": "dense", "units": 3}]
    path = save(configuration(tmp_path, IRIS, 3, model={"layers": layers, "dtype": "float64"}))
    data = datasets.load_iris().data
    model = SavedModel.load(path)
    alone = pd.concat([model.predict(data[[row]]) for row in range(5)], ignore_index=True)
    pd.testing.assert_frame_equal(alone, model.predict(data)[:5])


def test_threads_do_not_disturb_each_other(iris: Path) -> None:
    model = SavedModel.load(iris)
    data = datasets.load_iris().data
    blocks = [data[start : start + 10] for start in range(0, 150, 10)] * 10
    expected = [model.predict(block) for block in blocks]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(pool.map(model.predict, blocks), expected, strict=True):
            pd.testing.assert_frame_equal(one, other)


def test_evaluation_agrees_with_scikit_learn(iris: Path) -> None:
    model = SavedModel.load(iris)
    bunch = datasets.load_iris()
    labels = bunch.target_names[bunch.target]
    predicted = model.predict(bunch.data)
    scores = model.evaluate(bunch.data, labels)
    assert scores == model.evaluate(bunch.data, bunch.target)
    assert scores["accuracy"] == accuracy_score(labels, predicted["prediction"])
    probabilities = predicted.iloc[:, 1:].to_numpy()
    assert scores["loss"] == pytest.approx(log_loss(bunch.target, probabilities), rel=1e-12)
    top = model.evaluate(bunch.data, labels, {"top": metric("top_2")})
    rank = (probabilities > probabilities[np.arange(150), bunch.target][:, None]).sum(axis=1)
    assert top["top"] == np.mean(rank < 2)


def test_balanced_weights_are_those_of_the_training_split(tmp_path: Path) -> None:
    loss = {"type": "cross_entropy", "class_weights": "balanced"}
    job = configuration(tmp_path, IRIS, 3, loss=loss, model=float64(3))
    bunch = datasets.load_iris()
    model = SavedModel.load(save(job, counts=(10, 20, 30)))
    truth = model.predict(bunch.data).iloc[:, 1:].to_numpy()[np.arange(150), bunch.target]
    weights = 60 / (3 * np.array([10, 20, 30]))[bunch.target]
    assert model.evaluate(bunch.data, bunch.target)["loss"] == pytest.approx(np.mean(-np.log(truth) * weights))


def test_a_model_that_does_not_know_its_balanced_weights_has_no_loss(tmp_path: Path) -> None:
    loss = {"type": "cross_entropy", "class_weights": "balanced"}
    bunch = datasets.load_iris()
    pd.DataFrame(bunch.data, columns=bunch.feature_names).assign(target=bunch.target).to_csv(
        tmp_path / "iris.csv", index=False
    )
    source = {"type": "csv", "path": str(tmp_path / "iris.csv"), "target": "target"}
    path = save(configuration(tmp_path, source, 3, loss=loss))
    without_counts(path)
    model, lines = SavedModel.load(path), []
    assert list(model.evaluate(bunch.data, bunch.target)) == ["accuracy"]
    assert list(evaluate_file(model, str(tmp_path / "iris.csv"), note=lines.append)[1]) == ["accuracy"]
    (line,) = lines
    assert line.startswith("the loss is left out: its class_weights are balanced by the training split")


def without_counts(path: Path) -> None:
    """Makes a model what one of an earlier version is: its pipeline does not speak of counts."""
    checkpoint = load(path)
    targets = {name: value for name, value in checkpoint.pipeline["targets"].items() if name != "counts"}
    shutil.rmtree(path)
    path.mkdir()
    write_directory(path, replace(checkpoint, pipeline=checkpoint.pipeline | {"targets": targets}))


@pytest.mark.parametrize("counts", [[1, 2], [1, 2, -3], [0, 0, 0], [1, 2, 1e400], "123"])
def test_counts_that_are_none_of_the_classes_are_refused(tmp_path: Path, counts: Any) -> None:
    state = load(save(configuration(tmp_path, IRIS, 3))).pipeline
    with pytest.raises(DataError, match="the pipeline is not what this version writes"):
        Pipeline.from_dict(state | {"targets": state["targets"] | {"counts": counts}})


def test_a_regression_predicts_values(tmp_path: Path) -> None:
    source = {"type": "sklearn", "name": "diabetes"}
    model = SavedModel.load(save(configuration(tmp_path, source, 1, loss={"type": "mse"}, metrics=["r2", "mse"])))
    bunch = datasets.load_diabetes(scaled=False)
    predicted = model.predict(bunch.data)
    assert list(predicted.columns) == ["prediction"]
    assert predicted["prediction"].dtype == np.float64
    scores = model.evaluate(bunch.data, bunch.target)
    assert scores["r2"] == pytest.approx(r2_score(bunch.target, predicted["prediction"]), rel=1e-5)
    assert scores["mse"] == pytest.approx(np.mean((bunch.target - predicted["prediction"]) ** 2), rel=1e-5)
    [variance] = np.square(model.pipeline.targets.transform.scale) if model.pipeline.targets.transform else ()
    assert scores["loss"] == pytest.approx(scores["mse"] / variance, rel=1e-5)


def test_one_unit_decides_between_two_classes(tmp_path: Path) -> None:
    source = {"type": "sklearn", "name": "breast_cancer"}
    loss = {"type": "binary_cross_entropy"}
    model = SavedModel.load(save(configuration(tmp_path, source, 1, loss=loss, model=float64(1))))
    bunch = datasets.load_breast_cancer()
    predicted = model.predict(bunch.data)
    assert list(predicted.columns) == ["prediction", "probability_malignant", "probability_benign"]
    np.testing.assert_allclose(predicted["probability_malignant"] + predicted["probability_benign"], 1)
    more = predicted["probability_benign"] > 0.5
    assert list(predicted["prediction"]) == list(np.where(more, "benign", "malignant"))
    scores = model.evaluate(bunch.data, bunch.target)
    assert scores["loss"] == pytest.approx(log_loss(bunch.target, predicted["probability_benign"]), rel=1e-9)


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    path = save(configuration(tmp_path, IRIS, 3))
    (path / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="truncated"):
        SavedModel.load(path)


def test_prediction_needs_little_more_than_numpy(iris: Path) -> None:
    absent = ["ray", "mlflow", "sklearn", "scipy", "pyarrow", "filelock", "typer", "click", "rich", "psutil"]
    code = (
        "import sys\n"
        f"sys.modules |= dict.fromkeys({absent})\n"
        "from dist_bp.serve import SavedModel\n"
        "print(len(SavedModel.load(sys.argv[1]).predict([[1, 2, 3, 4]])))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(iris)], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr
