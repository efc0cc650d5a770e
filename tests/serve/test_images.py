"""Image files from the shell to predictions, and from whatever loads the logged model."""

import base64
import json
import os
from io import BytesIO, StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dist_bp import build
from dist_bp.checkpoint import export_model, load
from dist_bp.config import load_config
from dist_bp.data.media.new import NewFiles
from dist_bp.media.decoding import Decoding
from dist_bp.serve import SavedModel
from dist_bp.serve.files import evaluate_file, predict_files
from dist_bp.serve.package import Packager
from tests.commands import run_here
from tests.serve.samples import configuration, save

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]

STEPS = [{"type": "grayscale"}, {"type": "resize", "size": [6, 5]}, {"type": "scale"}]
LAYERS = [{"type": "flatten"}, {"type": "dense", "units": 2}]


def picture(shade: int, height: int = 9) -> Image.Image:
    pixels = np.clip(shade + np.arange(height * 7 * 3).reshape(height, 7, 3) % 50, 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture
def model(workplace: Path) -> SavedModel:
    """Of the classes ant and bee; beside it a folder `new` with three images."""
    for number in range(12):
        for name, shade in (("ant", number), ("bee", 200 - number)):
            path = workplace / "pets" / name / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(shade).save(path)
    for folder, shade in (("new", 3), ("new/deep", 180)):
        (workplace / folder).mkdir()
        picture(shade, 12).save(workplace / folder / "x.png")
        picture(shade + 9, 12).save(workplace / folder / "y.png")
    source = {"type": "image_folder", "path": "pets"}
    data = {"source": source, "preprocess": STEPS, "prepared": "prepared"}
    return SavedModel.load(save(configuration(workplace, source, 2, data=data, model={"layers": LAYERS})))


@pytest.fixture
def logged(model: SavedModel, workplace: Path) -> Any:
    """The model as MLflow loads it."""
    import mlflow.pyfunc

    from dist_bp.track.mlflow_packing import pack

    config = load_config(workplace / "job.yaml")
    exported = export_model(workplace / "run" / "model", load(Path("runs/run/checkpoints/step-000000001")))
    package = Packager(config, build.prepare(config), exported.parent).package(exported)
    assert any(line.startswith("pillow==") for line in package.pip_requirements)
    names = {"artifact_location": "packed", "source_run_id": None, "model_id": None}
    pack(package, workplace / "packed", SimpleNamespace(**names))  # type: ignore[arg-type]
    return mlflow.pyfunc.load_model(str(workplace / "packed"))


def predicted(*names: str) -> pd.DataFrame:
    done = run_here("predict", "run", *names)
    assert (done.returncode, done.stderr) == (0, "")
    return pd.read_csv(StringIO(done.stdout))


def test_predict_files_folders_and_patterns(model: SavedModel) -> None:
    files = ["new/x.png", "new/y.png"]
    frame = predicted(*files)
    assert list(frame) == ["file", "prediction", "probability_ant", "probability_bee"]
    assert list(frame["file"]) == files
    expected = model.predict(files)
    assert list(frame["prediction"]) == list(expected["prediction"])
    assert np.allclose(frame.iloc[:, 2:], expected.iloc[:, 1:])
    assert list(predicted("new")["file"]) == ["new/x.png", "new/y.png", "new/deep/x.png", "new/deep/y.png"]
    assert list(predicted("new/*.png")["file"]) == files
    assert list(predicted("new/**/x.png")["file"]) == ["new/deep/x.png", "new/x.png"]
    done = run_here("predict", "run", "new", "--output", "out.parquet")
    assert done.stdout == "4 predictions written to out.parquet\n"
    assert list(pd.read_parquet("out.parquet")["file"]) == list(predicted("new")["file"])


def test_no_image_has_no_prediction(model: SavedModel) -> None:
    frame = model.predict([])
    assert (len(frame), list(frame)) == (0, ["prediction", "probability_ant", "probability_bee"])


@pytest.mark.usefixtures("model")
def test_names_of_files_that_are_no_text() -> None:
    name = os.fsdecode(b"new/caf\xe9.png")
    Path("new/x.png").rename(name)
    assert list(predicted(name)["file"]) == [r"new/caf\xe9.png"]


@pytest.mark.usefixtures("model")
def test_predict_says_what_is_missing() -> None:
    Path("empty").mkdir()
    Path("torn.png").write_text("no")
    for names, lines in {
        (): ["there is nothing to predict: name a file after the model, or with --input"],
        ("empty", "no*.png"): [
            "the folder 'empty' has no images (.png, .jpg, .jpeg, .bmp, .gif, .webp)",
            "no image has a name like 'no*.png'",
        ],
        ("gone.png", "new/x.png", "torn.png"): [
            "image file 'gone.png' cannot be read: No such file or directory",
            "image file 'torn.png' cannot be read: it is no PNG, JPEG, BMP, GIF or WebP",
            "2 of 3 images cannot be read: remove them, or pass them over with --unreadable skip",
        ],
    }.items():
        done = run_here("predict", "run", *names, "--output", "out.csv")
        assert done.returncode == 2
        assert [line.removeprefix("error: ") for line in done.stderr.splitlines()] == lines
        assert not Path("out.csv").exists()


TORN = "cannot be read: it is no PNG, JPEG, BMP, GIF or WebP"


@pytest.mark.usefixtures("model")
def test_all_that_is_wrong_with_new_images_is_told_before_any_is_written() -> None:
    for number in range(80):
        picture(number).save(f"new/{number:02}.png")
    for number in (3, *range(40, 50)):
        Path(f"new/{number:02}.png").write_text("no")
    done = run_here("predict", "run", "new", "--output", "out.csv")
    assert [line.removeprefix("error: ") for line in done.stderr.splitlines()] == [
        *(f"image file 'new/{number:02}.png' {TORN}" for number in (3, *range(40, 49))),
        "11 of 84 images cannot be read: remove them, or pass them over with --unreadable skip",
    ]
    assert (done.returncode, Path("out.csv").exists()) == (2, False)


def test_unreadable_images_are_left_out_and_told(model: SavedModel) -> None:
    expected = predicted("new")
    Path("new/torn.png").write_text("no")
    note = f"note: 1 of 5 images cannot be read, which were skipped: image file 'new/torn.png' {TORN}\n"
    done = run_here("predict", "run", "new", "--unreadable", "skip")
    assert (done.returncode, done.stderr) == (0, note)
    pd.testing.assert_frame_equal(pd.read_csv(StringIO(done.stdout)), expected)
    done = run_here("predict", "run", "new", "--unreadable", "skip", "--output", "out.csv")
    assert (done.stdout, done.stderr) == ("4 predictions written to out.csv\n", note)
    pd.testing.assert_frame_equal(pd.read_csv("out.csv"), expected)
    for arguments, line in {
        ("new", "--output", "out.npy"): "output out.npy has predictions alone, and would not say which files "
        "--unreadable skip has left out: name a .csv or .parquet file",
        ("new/torn.png",): f"image file 'new/torn.png' {TORN}\nerror: 1 of 1 image cannot be read",
    }.items():
        done = run_here("predict", "run", *arguments, "--unreadable", "skip")
        assert (done.returncode, done.stderr) == (2, f"error: {line}\n")
    assert model.pipeline.decoder


def test_an_image_of_another_shape_is_not_skipped(workplace: Path) -> None:
    for number in range(12):
        for name in ("ant", "bee"):
            Path("pets", name).mkdir(parents=True, exist_ok=True)
            picture(number).save(f"pets/{name}/{number}.png")
    source = {"type": "image_folder", "path": "pets"}
    save(configuration(workplace, source, 2, data={"source": source}, model={"layers": LAYERS}))
    picture(3, 12).save("other.png")
    done = run_here("predict", "run", "other.png", "--unreadable", "skip")
    assert done.returncode == 2
    assert done.stderr.startswith("error: image file 'other.png' is 12 x 7 and in colour, not 9 x 7 and in colour as")


@pytest.mark.usefixtures("model")
def test_evaluate_leaves_out_what_cannot_be_read() -> None:
    expected = json.loads(run_here("evaluate", "run", "pets", "--json").stdout)
    Path("pets/ant/torn.png").write_text("no")
    done = run_here("evaluate", "run", "pets", "--json", "--unreadable", "skip")
    line = f"1 of 25 images cannot be read, which were skipped: image file 'pets/ant/torn.png' {TORN}"
    assert json.loads(done.stdout) == {**expected, "notes": [line]}
    Path("pets/cow").mkdir()
    Path("pets/eel").mkdir()
    picture(1).save("pets/eel/0.png")
    done = run_here("evaluate", "run", "pets")
    assert [line.removeprefix("error: ") for line in done.stderr.splitlines()] == [
        "the class 'cow' of 'pets' has no images (.png, .jpg, .jpeg, .bmp, .gif, .webp): remove it",
        "the class 'cow' of 'pets' is none that the model knows",
        "the class 'eel' of 'pets' is none that the model knows",
        f"image file 'pets/ant/torn.png' {TORN}",
        "1 of 26 images cannot be read: remove them, or pass them over with --unreadable skip",
    ]
    done = run_here("evaluate", "run", "--unreadable", "skip")
    assert done.stderr == "error: --unreadable skip is for --data: a split has the files that training had\n"


def test_decoding_of_new_images_is_told(model: SavedModel) -> None:
    heard: list[tuple[int, int]] = []
    new = NewFiles(decoding=Decoding(lambda *now: heard.append(now)))
    assert predict_files(model, ["new"], lambda frame: None, new=new)[0] == 4
    assert evaluate_file(model, "pets", new=new)[0] == 24
    assert heard == [(4, 4), (24, 24)]


def test_evaluate_a_folder(model: SavedModel) -> None:
    files = sorted(map(str, Path("pets").rglob("*.png")))
    expected = model.evaluate(files, [Path(name).parent.name for name in files])
    for arguments in (["pets"], ["--data", "pets"]):
        done = run_here("evaluate", "run", *arguments, "--json")
        result = json.loads(done.stdout)
        assert (result["data"], result["samples"]) == ("pets", 24)
        assert result["metrics"] == pytest.approx(expected)
    assert run_here("evaluate", "run", "pets", "--data", "pets").returncode == 2
    Path("pets/cow").mkdir()
    picture(4).save("pets/cow/0.png")
    done = run_here("evaluate", "run", "pets")
    assert done.returncode == 2
    assert "the class 'cow' of 'pets' is none that the model knows" in done.stderr


def test_arrays_in_a_file_are_predicted(model: SavedModel) -> None:
    images = np.stack([np.asarray(picture(shade)) for shade in (2, 150)])
    np.save("images.npy", images)
    assert np.allclose(predicted("images.npy").iloc[:, 1:], model.predict(images).iloc[:, 1:])


def test_a_model_without_resizing_tells_of_other_sizes(workplace: Path) -> None:
    for name in ("ant", "bee"):
        (workplace / "pets" / name).mkdir(parents=True)
        for number in range(6):
            picture(number).save(workplace / "pets" / name / f"{number}.png")
    picture(1, 4).save("odd.png")
    source = {"type": "image_folder", "path": "pets"}
    data = {"source": source, "prepared": "prepared"}
    save(configuration(workplace, source, 2, data=data, model={"layers": LAYERS}))
    done = run_here("predict", "run", "odd.png")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: image file 'odd.png' is 4 x 7 and in colour, not 9 x 7 and in colour as in tr"
    )


def test_images_that_a_table_names(workplace: Path) -> None:
    (workplace / "photos").mkdir()
    names = [f"{kind}{number}.png" for kind in ("ant", "bee") for number in range(6)]
    for number, name in enumerate(names):
        picture(10 * number).save(workplace / "photos" / name)
    pd.DataFrame({"photo": names, "kind": [name[:3] for name in names]}).to_csv("photos/list.csv", index=False)
    pd.DataFrame({"photo": names[:3]}).to_csv("photos/new.csv", index=False)
    source = {"type": "csv", "path": "photos/list.csv", "target": "kind", "images": "photo"}
    data = {"source": source, "preprocess": STEPS, "prepared": "prepared"}
    model = SavedModel.load(save(configuration(workplace, source, 2, data=data, model={"layers": LAYERS})))
    paths = [f"photos/{name}" for name in names]
    for listed, count in (("photos/new.csv", 3), ("photos/list.csv", 12)):
        frame = predicted(listed)
        assert list(frame["file"]) == names[:count]
        assert np.allclose(frame.iloc[:, 2:], model.predict(paths[:count]).iloc[:, 1:])
    assert list(predicted(paths[0])["file"]) == paths[:1]
    result = json.loads(run_here("evaluate", "run", "photos/list.csv", "--json").stdout)
    assert result["metrics"] == pytest.approx(model.evaluate(paths, [name[:3] for name in names]))


def test_files_are_named_beside_the_id_column_of_a_table(workplace: Path) -> None:
    names = [f"{kind}{number}.png" for kind in ("ant", "bee") for number in range(6)]
    for number, name in enumerate(names):
        picture(10 * number).save(name)
    frame = pd.DataFrame({"photo": names, "age": [3] * 12, "kind": [name[:3] for name in names]})
    frame.to_csv("list.csv", index=False)
    frame.drop(columns="age").to_csv("ageless.csv", index=False)
    source = {"type": "csv", "path": "list.csv", "target": "kind", "images": "photo", "id_column": "age"}
    data = {"source": source, "preprocess": STEPS, "prepared": "prepared"}
    save(configuration(workplace, source, 2, data=data, model={"layers": LAYERS}))
    told = ["prediction", "probability_ant", "probability_bee"]
    found = predicted("list.csv")
    assert list(found) == ["file", "age", *told]
    assert (list(found["file"]), list(found["age"])) == (names, [3] * 12)
    for given in (["ageless.csv"], names):
        other = predicted(*given)
        assert list(other) == ["file", *told]
        pd.testing.assert_frame_equal(other, found.drop(columns="age"))


@pytest.fixture
def listed(workplace: Path) -> SavedModel:
    """Trained on a table whose images are in another folder."""
    names = [f"{kind}{number}.png" for kind in ("ant", "bee") for number in range(6)]
    for folder, shade in (("photos", 0), ("new", 120)):
        (workplace / folder).mkdir()
        for number, name in enumerate(names):
            picture(shade + 10 * number).save(workplace / folder / name)
        frame = pd.DataFrame({"photo": names, "kind": [name[:3] for name in names]})
        frame.to_csv(workplace / folder / "list.csv", index=False)
    Path("photos/list.csv").rename("list.csv")
    source = {"type": "csv", "path": "list.csv", "target": "kind", "images": "photo", "folder": "photos"}
    data = {"source": source, "preprocess": STEPS, "prepared": "prepared"}
    return SavedModel.load(save(configuration(workplace, source, 2, data=data, model={"layers": LAYERS})))


def test_rows_of_a_table_go_with_their_images(listed: SavedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.read_csv("new/list.csv")
    frame.to_csv("new/odd.csv", index=False)
    np.save("labels.npy", frame["kind"].to_numpy("U3"))
    for name in ("ant3.png", "bee0.png"):
        Path("new", name).write_text("no")
    left = frame[~frame["photo"].isin(["ant3.png", "bee0.png"])]
    left.to_csv("new/list.csv", index=False)
    expected = listed.evaluate([f"new/{name}" for name in left["photo"]], list(left["kind"]))
    notes: list[str] = []
    monkeypatch.setattr("dist_bp.data.media.new.FILES", 5)
    for labels in (None, "labels.npy"):
        new = NewFiles("skip", note=notes.append)
        assert evaluate_file(listed, "new/odd.csv", labels, new=new) == (10, pytest.approx(expected))
    assert [note[:30] for note in notes] == ["2 of 12 images cannot be read,"] * 2
    done = run_here("predict", "run", "new/odd.csv", "--unreadable", "skip")
    pd.testing.assert_frame_equal(pd.read_csv(StringIO(done.stdout)), predicted("new/list.csv"))


def test_a_table_of_new_images_names_those_beside_it(listed: SavedModel) -> None:
    for table, folder in (("new/list.csv", "new"), ("list.csv", "photos")):
        names = list(pd.read_csv(table)["photo"])
        paths = [f"{folder}/{name}" for name in names]
        assert np.allclose(predicted(table).iloc[:, 2:], listed.predict(paths).iloc[:, 1:])
        result = json.loads(run_here("evaluate", "run", table, "--json").stdout)
        assert result["metrics"] == pytest.approx(listed.evaluate(paths, [name[:3] for name in names]))


@pytest.mark.usefixtures("listed")
def test_a_table_of_new_images_with_gaps_or_paths_elsewhere() -> None:
    for cells, line in {
        ("ant0.png,ant", ",bee"): "the images column 'photo' of 'new/odd.csv' is missing in row 1 (counted from 0)",
        ("../photos/ant0.png,ant",): "data file 'new/odd.csv' names 'photos/ant0.png', which is not in 'new': put the "
        "table into the folder of the images, or train with data.source.folder",
    }.items():
        Path("new/odd.csv").write_text("\n".join(["photo,kind", *cells]) + "\n")
        for command in ("predict", "evaluate"):
            done = run_here(command, "run", "new/odd.csv")
            assert (done.returncode, done.stderr) == (2, f"error: {line}\n")


@pytest.mark.parametrize("positions", [6, 1])
def test_every_position_has_the_name_of_its_image(workplace: Path, positions: int) -> None:
    draw = np.random.default_rng(0)
    targets = draw.normal(size=(24, positions, 2))
    np.savez("d.npz", x=draw.integers(0, 256, (24, 6, 5), np.uint8), y=targets)
    for name in ("a.png", "b.png"):
        picture(len(name)).save(name)
    source = {"type": "npz", "path": "d.npz"}
    data = {"source": source, "preprocess": STEPS, "prepared": "prepared"}
    layers = [{"type": "reshape", "shape": [positions, 30 // positions]}, {"type": "dense", "units": 2}]
    save(configuration(workplace, source, 2, data=data, model={"layers": layers}, loss={"type": "mse"}))
    frame = predicted("a.png", "b.png")
    assert list(frame["file"]) == ["a.png"] * positions + ["b.png"] * positions
    assert list(frame["sample"]) == [0] * positions + [1] * positions
    assert list(frame["position"]) == [*range(positions)] * 2


def content(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_the_logged_model_takes_paths_bytes_and_arrays(model: SavedModel, logged: Any) -> None:
    image = picture(3, 12)
    expected = model.predict(["new/x.png"])
    column = logged.metadata.get_input_schema().input_names()
    assert column == ["image"]
    for value in ("new/x.png", content(image), np.asarray(image)):
        found = logged.predict(pd.DataFrame({"image": pd.Series([value], dtype=object)}))
        pd.testing.assert_frame_equal(found, expected)


def test_the_logged_model_serves_base64(model: SavedModel, logged: Any) -> None:
    from mlflow.pyfunc.scoring_server import _split_data_and_params, infer_and_parse_data

    text = base64.b64encode(content(picture(3, 12))).decode()
    asked = json.dumps({"dataframe_split": {"columns": ["image"], "data": [[text]]}})
    data, _ = _split_data_and_params(asked)
    frame = infer_and_parse_data(data, logged.metadata.get_input_schema())
    pd.testing.assert_frame_equal(logged.predict(frame), model.predict(["new/x.png"]))
