"""Texts from the shell to predictions, and from whatever loads the logged model."""

import json
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dist_bp import build
from dist_bp.checkpoint import export_model, load
from dist_bp.config import load_config
from dist_bp.serve import SavedModel
from dist_bp.serve.package import Packager
from tests.commands import run_here
from tests.serve.samples import configuration, save

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]

LINES = [
    f"{'spam' if row % 3 == 0 else 'ham'} {'win a prize' if row % 3 == 0 else 'see you'} {row}" for row in range(30)
]
WORDS = [{"type": "bag_of_words", "weights": "tfidf"}]
DENSE = [{"type": "dense", "units": 2}]


def saved(folder: Path, source: dict[str, Any], steps: Any, layers: Any, **changes: Any) -> SavedModel:
    data = {"source": source, "preprocess": steps, "prepared": "prepared"}
    return SavedModel.load(save(configuration(folder, source, 2, data=data, model={"layers": layers}, **changes)))


@pytest.fixture
def model(workplace: Path) -> SavedModel:
    """Of the classes ham and spam."""
    Path("train.txt").write_text("\n".join(LINES))
    Path("new.txt").write_text("see a prize\nnever heard\n\nwin\n")
    return saved(workplace, {"type": "lines", "path": "train.txt"}, WORDS, DENSE)


def predicted(*arguments: str) -> pd.DataFrame:
    done = run_here("predict", "run", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return pd.read_csv(StringIO(done.stdout), keep_default_na=False)


def scores(*arguments: str) -> str:
    done = run_here("evaluate", "run", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_predict_texts_and_files_of_lines(model: SavedModel) -> None:
    frame = predicted("--text", "see a prize", "--text", "never heard", "--text", "", "--text", "win")
    assert list(frame) == ["text", "prediction", "probability_ham", "probability_spam"]
    assert frame["text"].tolist() == ["see a prize", "never heard", "", "win"]
    assert np.isfinite(frame["probability_ham"]).all()
    expected = model.predict(["see a prize", "never heard", "", "win"])
    np.testing.assert_allclose(frame["probability_spam"], expected["probability_spam"], rtol=1e-5)
    lines = predicted("new.txt")
    assert lines["text"].tolist() == ["see a prize", "never heard", "win"]
    np.testing.assert_allclose(lines["probability_spam"], frame["probability_spam"][[0, 1, 3]], rtol=1e-5)


def test_labels_of_lines_are_no_part_of_the_text(model: SavedModel) -> None:
    Path("labelled.txt").write_text("ham see you\nspam win\n")
    frame = predicted("labelled.txt", "--labelled")
    assert frame["text"].tolist() == ["see you", "win"]
    expected = model.predict(["see you", "win"])["probability_spam"]
    np.testing.assert_allclose(frame["probability_spam"], expected, rtol=1e-5)
    Path("mixed.txt").write_text("ham see you\nwin\n")
    assert predicted("mixed.txt")["text"].tolist() == ["ham see you", "win"]
    done = run_here("predict", "run", "mixed.txt", "--labelled")
    assert (done.returncode, done.stdout) == (2, "")
    assert "line 2 is not as data.source.pattern says: 'win'" in done.stderr


def test_no_word_is_left_out_unless_it_is_said_to_be_a_label(model: SavedModel) -> None:
    Path("plain.txt").write_text("ham is what I ate for breakfast\n\n")
    done = run_here("predict", "run", "plain.txt")
    assert done.stderr == (
        "note: all lines of 'plain.txt' begin with a class, such as 'ham is what I ate for breakfast', which is taken "
        "for a part of the text: --labelled leaves it out\n"
    )
    found = pd.read_csv(StringIO(done.stdout))
    assert found["text"].tolist() == ["ham is what I ate for breakfast"]
    expected = model.predict(["ham is what I ate for breakfast"])["probability_spam"]
    np.testing.assert_allclose(found["probability_spam"], expected, rtol=1e-5)
    refused = run_here("predict", "run", "--text", "ham", "--labelled")
    assert refused.stderr == "error: --labelled is for files: a --text is taken as it is\n"


def test_tables_have_the_texts_in_a_column(model: SavedModel) -> None:
    pd.DataFrame({"text": ["see you", ""], "label": ["ham", "spam"]}).to_csv("new.csv", index=False)
    expected = model.predict(["see you", ""])["probability_ham"]
    np.testing.assert_allclose(predicted("new.csv")["probability_ham"], expected, rtol=1e-5)
    Path("same.txt").write_text("ham see you\nspam ?\n")
    Path("same.jsonl").write_text('{"text": "see you", "label": "ham"}\n{"text": "?", "label": "spam"}\n')
    table, lines = scores("same.jsonl").splitlines(), scores("same.txt").splitlines()
    assert [line for line in table if "data" not in line] == [line for line in lines if "data" not in line]
    assert "same.jsonl, 2 samples" in "\n".join(table)


def test_a_text_beside_a_file_or_for_another_model_is_refused(model: SavedModel) -> None:
    done = run_here("predict", "run", "new.txt", "--text", "a")
    assert (done.returncode, done.stderr) == (2, "error: both --text and the file 'new.txt' are given: give one\n")
    np.savez("a.npz", x=np.zeros((30, 2)), y=np.arange(30) % 2)
    source = {"type": "npz", "path": "a.npz"}
    save(configuration(Path.cwd(), source, 2, data={"source": source, "prepared": "prepared"}))
    done = run_here("predict", "run", "--text", "a")
    assert (done.returncode, done.stderr) == (
        2,
        "error: the model does not take a text alone: give its rows in a file\n",
    )


def test_a_folder_of_texts_is_learnt_predicted_and_measured(workplace: Path) -> None:
    for split in ("train", "test"):
        for row, line in enumerate(LINES):
            label, text = line.split(" ", 1)
            path = Path("mail", split, label, f"{row}.txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
    source = {"type": "text_folder", "path": "mail"}
    model = saved(workplace, source, WORDS, DENSE)
    assert model.pipeline.classes == ["ham", "spam"]
    frame = predicted("mail/test/ham", "mail/test/spam/3.txt")
    assert frame["file"].tolist()[-1] == "mail/test/spam/3.txt"
    assert len(frame) == 21
    expected = model.predict(["win a prize 3"])["probability_spam"]
    np.testing.assert_allclose(frame["probability_spam"].tolist()[-1:], expected, rtol=1e-5)
    assert "mail/test, 30 samples" in scores("mail/test")
    done = run_here("evaluate", "run", "mail")
    assert done.stderr == "error: the folder 'mail' has splits: name one, such as 'mail/test'\n"


def test_a_language_model_is_measured_on_a_text(workplace: Path) -> None:
    Path("t.txt").write_text("".join(f"line {row}\n" for row in range(99)))
    source = {"type": "text", "path": "t.txt", "context": 16}
    tokens = len({*Path("t.txt").read_text()}) + 1
    layers = [{"type": "embedding", "size": 4}, {"type": "dense", "units": tokens}]
    model = saved(workplace, source, [{"type": "tokenize", "by": "characters"}], layers)
    length = len(Path("t.txt").read_text())
    assert f"t.txt, {-(-(length - 1) // 16)} samples" in scores("t.txt")
    Path("strange.txt").write_text("line ABC?")
    strange = run_here("evaluate", "run", "strange.txt", "--json")
    assert json.loads(strange.stdout)["notes"] == ["'strange.txt': 4 unknown tokens (50 %)"]
    assert strange.stderr.startswith("note: 'strange.txt': 4 unknown tokens (50 %)\n")
    assert run_here("evaluate", "run", "t.txt").stderr == ""
    done = run_here("predict", "run", "--text", "line", "--text", "", "--text", "?")
    told = "3 texts; 1 unknown token (20 %); 1 without a token, taken for one unknown token each"
    assert (done.returncode, done.stderr) == (0, f"note: text: {told}\n")
    frame = pd.read_csv(StringIO(done.stdout), keep_default_na=False)
    assert [*frame.columns] == ["text", "prediction", "probability", "perplexity", "tokens"]
    assert frame["text"].tolist() == ["line", "", "?"]
    assert model.predict([""])["prediction"].tolist() == model.predict(["?"])["prediction"].tolist()
    logged_predicts_the_same(workplace, model)


def test_the_logged_model_takes_a_table_with_the_text(workplace: Path) -> None:
    Path("train.txt").write_text("\n".join(LINES))
    steps = [{"type": "bag_of_words"}]
    model = saved(workplace, {"type": "lines", "path": "train.txt"}, steps, DENSE)
    logged_predicts_the_same(workplace, model)


def logged_predicts_the_same(workplace: Path, model: SavedModel) -> None:
    import mlflow.pyfunc

    from dist_bp.track.mlflow_packing import pack

    config = load_config(workplace / "job.yaml")
    exported = export_model(workplace / "run" / "model", load(Path("runs/run/checkpoints/step-000000001")))
    package = Packager(config, build.prepare(config), exported.parent).package(exported)
    names = {"artifact_location": "packed", "source_run_id": None, "model_id": None}
    pack(package, workplace / "packed", SimpleNamespace(**names))  # type: ignore[arg-type]
    logged = mlflow.pyfunc.load_model(str(workplace / "packed"))
    table = pd.DataFrame({"text": ["see you", "", "win"]})
    pd.testing.assert_frame_equal(logged.predict(table), model.predict(table))


@pytest.fixture
def of_table(workplace: Path) -> SavedModel:
    """Of the text in a column of a csv file, whose rows have names."""
    labels, texts = zip(*(line.split(" ", 1) for line in LINES), strict=True)
    pd.DataFrame({"label": labels, "said": texts, "id": range(30)}).to_csv("train.csv", index=False)
    Path("new.txt").write_text("see a prize\nwin\n")
    pd.DataFrame({"said": ["see you", "win"], "id": [7, 8]}).to_csv("new.csv", index=False)
    pd.DataFrame({"said": ["win"]}).to_csv("nameless.csv", index=False)
    pd.DataFrame({"said": ["win"], "id": [9]}).to_parquet("named.parquet")
    source = {"type": "csv", "path": "train.csv", "target": "label", "text": ["said"], "id_column": "id"}
    return saved(workplace, source, WORDS, DENSE)


def test_lines_for_a_model_of_a_table_are_named_by_their_text(of_table: SavedModel) -> None:
    assert predicted("new.txt", "new.txt")["text"].tolist() == ["see a prize", "win"] * 2
    assert predicted("new.csv", "new.csv")["id"].tolist() == [7, 8, 7, 8]


def test_what_has_no_targets_is_told_with_the_remedy(of_table: SavedModel) -> None:
    Path("folder").mkdir()
    for name, reason in (
        (
            "new.txt",
            "data file 'new.txt' holds a text in each line, and no targets: give a table with the columns 'said' and "
            "'label', or name their file with --targets",
        ),
        ("folder", "data file 'folder' is not a file but a folder: name a file in it"),
    ):
        done = run_here("evaluate", "run", name)
        assert (done.returncode, done.stderr) == (2, f"error: {reason}\n")


@pytest.mark.parametrize("output", ["mix.csv", "mix.parquet", None])
@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ("new.txt", "the rows of 'new.csv' are named by 'id', and those of 'new.txt' are named by 'text'"),
        ("nameless.csv", "the rows of 'new.csv' are named by 'id', and those of 'nameless.csv' have no names"),
        ("named.parquet", "the files do not hold the same kind of values in 'id'"),
    ],
)
def test_files_whose_predictions_would_have_other_columns_are_refused(
    of_table: SavedModel, other: str, reason: str, output: str | None
) -> None:
    done = run_here("predict", "run", "new.csv", "new.csv", other, *(("--output", output) if output else ()))
    if other == "named.parquet" and output != "mix.parquet":
        assert done.returncode == 0  # text has one form for both
        return
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {reason}: predict them one after the other\n"
    assert not [*Path().glob("*mix*")]
