"""`dist-bp evaluate` and `dist-bp predict`, through the command line."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from dist_bp.cli.main import main
from dist_bp.data import reader
from dist_bp.nn import model
from dist_bp.serve import SavedModel
from tests.serve.samples import configuration, save

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a folder with the run `run` of a job: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    save(configuration(tmp_path, {"type": "sklearn", "name": "iris"}, 3))

    def invoke(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return invoke


def iris() -> pd.DataFrame:
    bunch = datasets.load_iris()
    return pd.DataFrame(bunch.data, columns=bunch.feature_names)


def saved() -> SavedModel:
    return SavedModel.load(Path("runs/run/checkpoints/step-000000001"))


def test_evaluate_a_split(run: Run) -> None:
    code, out, err = run("evaluate", "run", "--json")
    assert code == 0
    result = json.loads(out.splitlines()[-1])
    assert out.count("\n") == 1
    assert result.keys() == {"model", "step", "data", "samples", "decision", "metrics", "notes"}
    assert result["decision"] is None
    assert (result["step"], result["data"], result["samples"]) == (1, "test split", 15)
    assert result["metrics"].keys() == {"loss", "accuracy"}
    assert "accuracy" in err
    code, out, err = run("evaluate", "runs/run", "--split", "train", "--config", "job.yaml")
    assert (code, err) == (0, "")
    assert "train split, 120 samples" in out
    assert "decision" not in out


def test_evaluate_says_how_two_classes_are_decided_for(run: Run, tmp_path: Path) -> None:
    source = {"type": "sklearn", "name": "breast_cancer"}
    decision = {"positive": "malignant", "threshold": {"by": "f1"}}
    loss = {"type": "binary_cross_entropy"}
    save(configuration(tmp_path, source, 1, loss=loss, decision=decision, metrics=["f1"]), 2, threshold=0.25)
    code, out, err = run("evaluate", "run", "--json")
    assert code == 0
    assert json.loads(out)["decision"] == {"positive": "malignant", "threshold": 0.25}
    assert "decision  'malignant' above a probability of 0.25" in err


def test_evaluate_a_file(run: Run) -> None:
    bunch = datasets.load_iris()
    np.save("x.npy", bunch.data)
    np.save("y.npy", bunch.target)
    np.savez("both.npz", x=bunch.data, y=bunch.target)
    expected = saved().evaluate(bunch.data, bunch.target)
    for arguments in (["--data", "x.npy", "--targets", "y.npy"], ["--data", "both.npz"]):
        code, out, _ = run("evaluate", "runs/run", *arguments, "--json")
        assert code == 0
        assert json.loads(out)["metrics"] == expected


@pytest.mark.parametrize("blocks", [1, 4])
def test_predict_a_file(run: Run, monkeypatch: pytest.MonkeyPatch, blocks: int) -> None:
    monkeypatch.setattr(reader, "BLOCK_BYTES", 8 * 4 * -(-150 // blocks))
    iris().to_csv("rows.csv", index=False)
    np.save("rows.npy", iris().to_numpy())
    expected = saved().predict(iris())
    for source in ("rows.csv", "rows.npy"):
        code, out, err = run("predict", "run", "--input", source, "--output", "out.parquet", "--force")
        assert (code, out, err) == (0, "150 predictions written to out.parquet\n", "")
        pd.testing.assert_frame_equal(pd.read_parquet("out.parquet"), expected)
    assert run("predict", "run", "--input", "rows.csv", "--output", "out.npy")[0] == 0
    assert np.load("out.npy").tolist() == expected["prediction"].to_list()


def test_a_model_is_fetched_from_mlflow(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download_model(uri: str, tracking_uri: str, folder: Path) -> Path:
        asked.append((uri, tracking_uri, folder.is_dir()))
        return Path("runs/run/checkpoints/step-000000001")

    fake = SimpleNamespace(download_model=download_model)
    monkeypatch.setitem(sys.modules, "dist_bp.track.mlflow_models", fake)
    assert run("evaluate", "models:/m-1")[0] == 0
    assert asked == [("models:/m-1", "sqlite:///mlflow.db", True)]


def errors(result: tuple[int, str, str]) -> str:
    code, out, err = result
    assert code == 2
    assert out == ""
    assert all(line.startswith("error: ") for line in err.splitlines())
    return err


def test_what_is_wrong_is_said_in_a_line(run: Run) -> None:
    iris().to_csv("rows.csv", index=False)
    iris().head(0).to_csv("empty.csv", index=False)
    iris().iloc[:, 1:].to_csv("less.csv", index=False)
    Path("there.csv").write_text("old")
    evaluate, predict = ("evaluate", "run"), ("predict", "run", "--output")
    assert "neither a run" in errors(run("evaluate", "rnu"))
    assert "no holdout split, only train, validation, test" in errors(run(*evaluate, "--split", "holdout"))
    assert "'rows.csv' has no targets: name their file with" in errors(run(*evaluate, "--data", "rows.csv"))
    assert "'no.csv' not found" in errors(run(*evaluate, "--data", "no.csv"))
    assert "--force" in errors(run(*predict, "there.csv", "--input", "rows.csv"))
    assert "told by the suffix" in errors(run(*predict, "out.xlsx", "--input", "rows.csv"))
    assert "'no.csv' not found" in errors(run(*predict, "out.csv", "--input", "no.csv"))
    assert "has no rows" in errors(run(*predict, "out.csv", "--input", "empty.csv"))
    assert "'sepal length (cm)'" in errors(run(*predict, "out.csv", "--input", "less.csv"))
    assert not Path("out.csv").exists()
    assert Path("there.csv").read_text() == "old"
    Path("runs/run/checkpoints/step-000000001/model.safetensors").write_bytes(b"")
    assert "truncated" in errors(run(*evaluate))


def test_a_bad_row_of_a_later_block_is_placed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BLOCK_BYTES", 8 * 4 * 100)
    monkeypatch.setattr(model, "MOST_ROWS", 32)
    frame = iris()
    frame["kind"] = "setosa"
    for change in ({"petal length (cm)": np.nan}, {"kind": "tulip"}):
        wrong = frame.copy()
        wrong.loc[107, [*change]] = [*change.values()]
        wrong.to_csv("rows.csv", index=False)
        np.save("rows.npy", wrong.iloc[:, :4].to_numpy())
        np.save("kinds.npy", wrong["kind"].to_numpy(str))
        said = [
            errors(run("evaluate", "run", "--data", "rows.csv", "--targets", "kinds.npy")),
            errors(run("evaluate", "run", "--data", "rows.npy", "--targets", "kinds.npy")),
        ]
        if "kind" not in change:
            said.append(errors(run("predict", "run", "--input", "rows.csv", "--output", "out.csv")))
        for message in said:
            assert "row 107 (counted from 0)" in message
            assert message.count("row ") == message.count("\n") == 1


def test_rows_are_those_of_the_file_also_where_some_are_dropped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = iris()[["sepal length (cm)", "petal width (cm)"]].set_axis(["a", "b"], axis=1)
    frame["kind"] = np.repeat(["x", "y", "z"], 50)
    frame.to_csv("train.csv", index=False)
    source = {"type": "csv", "path": "train.csv", "target": "kind", "missing": "drop"}
    save(configuration(Path(), source, 3), step=2)
    for name, size in (("one.csv", 150), ("blocks.csv", 10)):
        monkeypatch.setattr(reader, "BLOCK_BYTES", 8 * 2 * size)
        wrong = frame.copy()
        wrong.loc[[3, 40, 41, 45, 46], "a"] = np.nan
        wrong.loc[[47], "kind"] = "tulip"
        wrong.to_csv(name, index=False)
        assert "'tulip' in row 47 (counted from 0)" in errors(run("evaluate", "run", "--data", name)), name


def test_other_data_has_other_splits(run: Run) -> None:
    job = Path("job.yaml")
    job.write_text(job.read_text().replace("standardize", "min_max"))
    message = errors(run("evaluate", "run", "--config", "job.yaml"))
    assert "no longer what the model was trained on" in message
