"""Models of images and other columns of one table: from tables on the disk, and as MLflow loads them."""

import base64
import json
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
from dist_bp.serve import SavedModel
from dist_bp.serve.package import Packager
from tests.commands import run_here
from tests.serve.samples import configuration, save

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType"),
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema contains integer column"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]

SOURCE = {
    "type": "csv", "path": "houses.csv", "target": "price", "images": "photo", "features": "all", "weights": "weight",
    "folder": "photos",
}  # fmt: skip
STEPS = [
    {"type": "resize", "size": [4, 3]},
    {"type": "scale", "input": "photo"},
    {"type": "one_hot"},
    {"type": "standardize", "input": "numbers"},
]
LAYERS = [
    {"type": "branches", "inputs": {"photo": [{"type": "flatten"}, {"type": "dense", "units": 3}], "numbers": []}},
    {"type": "dense", "units": 1},
]


def houses(folder: str, count: int) -> pd.DataFrame:
    """A table, with photos in `folder`."""
    draw = np.random.default_rng(count)
    Path(folder).mkdir()
    for number in range(count):
        Image.fromarray(draw.integers(0, 256, (6, 5, 3), np.uint8)).save(f"{folder}/{number}.png")
    return pd.DataFrame(
        {
            "rooms": draw.integers(1, 9, count),
            "photo": [f"{number}.png" for number in range(count)],
            "city": draw.choice(["Bergen", "Oslo"], count),
            "weight": draw.uniform(0, 2, count),
            "price": draw.uniform(1e5, 1e6, count),
        }
    )


@pytest.fixture
def model(workplace: Path) -> SavedModel:
    """Beside it `houses.csv` with its photos elsewhere, and `new/list.csv` with photos beside it."""
    houses("photos", 20).to_csv("houses.csv", index=False)
    houses("new", 7).to_csv("new/list.csv", index=False)
    data = {"source": SOURCE, "preprocess": STEPS, "prepared": "prepared"}
    job = configuration(workplace, SOURCE, 1, data=data, model={"layers": LAYERS}, loss={"type": "mse"}, metrics=["r2"])
    return SavedModel.load(save(job))


@pytest.fixture
def logged(model: SavedModel, workplace: Path) -> Any:
    """The model as MLflow loads it."""
    import mlflow.pyfunc

    from dist_bp.track.mlflow_packing import pack

    exported = export_model(workplace / "run" / "model", load(Path("runs/run/checkpoints/step-000000001")))
    config = load_config(workplace / "job.yaml")
    package = Packager(config, build.prepare(config), exported.parent).package(exported)
    names = {"artifact_location": "packed", "source_run_id": None, "model_id": None}
    pack(package, workplace / "packed", SimpleNamespace(**names))  # type: ignore[arg-type]
    return mlflow.pyfunc.load_model(str(workplace / "packed"))


def rows(table: str, folder: str) -> pd.DataFrame:
    """Of a table, with paths that start here."""
    frame = pd.read_csv(table)
    return frame.assign(photo=[f"{folder}/{name}" for name in frame["photo"]])


@pytest.mark.parametrize(("table", "folder"), [("houses.csv", "photos"), ("new/list.csv", "new")])
def test_tables_are_predicted_and_measured(model: SavedModel, table: str, folder: str) -> None:
    done = run_here("predict", "run", table, "--output", "out.parquet")
    assert (done.returncode, done.stderr) == (0, "")
    found, expected = pd.read_parquet("out.parquet"), rows(table, folder)
    assert list(found["file"]) == list(pd.read_csv(table)["photo"])
    pd.testing.assert_frame_equal(found.drop(columns="file"), model.predict(expected))
    result = json.loads(run_here("evaluate", "run", table, "--json").stdout)
    assert result["metrics"] == model.evaluate(expected, expected["price"].to_numpy(), weights=expected["weight"])


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("name", ["new/0.png", "new", "images.npy"])
def test_images_alone_are_not_enough(name: str) -> None:
    np.save("images.npy", np.zeros((2, 6, 5, 3), np.uint8))
    for command in ("predict", "evaluate"):
        done = run_here(command, "run", name)
        assert (done.returncode, done.stderr) == (
            2,
            f"error: {name!r} is no table, and the network learnt from the columns rooms, city beside the images: give "
            "a csv or Parquet file with these and photo\n",
        )


@pytest.mark.usefixtures("model")
def test_a_table_without_its_columns_or_photos() -> None:
    Path("new/odd.csv").write_text("room,photo\n3,0.png\n")
    done = run_here("predict", "run", "new/odd.csv")
    assert done.returncode == 2
    assert [line.removeprefix("error: ") for line in done.stderr.splitlines()][:2] == [
        "data file 'new/odd.csv' has no column 'rooms' (did you mean 'room'?)",
        "data file 'new/odd.csv' has no column 'city' (there is 'room', 'photo')",
    ]
    Path("new/odd.csv").write_text("rooms,city,photo\n3,Oslo,0.png\n3,Oslo,gone.png\n")
    done = run_here("predict", "run", "new/odd.csv")
    assert done.stderr.startswith("error: image file 'new/gone.png' cannot be read: No such file or directory\n")
    expected = pd.read_csv(StringIO(run_here("predict", "run", "new/list.csv").stdout)).drop(3)
    Path("new/3.png").write_text("no")
    found = pd.read_csv(StringIO(run_here("predict", "run", "new/list.csv", "--unreadable", "skip").stdout))
    assert list(found["file"]) == list(expected["file"])
    np.testing.assert_allclose(found["prediction"], expected["prediction"], rtol=1e-5)


def test_the_logged_model_takes_a_table(model: SavedModel, logged: Any) -> None:
    frame = rows("new/list.csv", "new")[["city", "photo", "rooms"]]
    assert logged.metadata.get_input_schema().input_names() == ["rooms", "city", "photo"]
    expected = model.predict(frame)
    content = [Path(name).read_bytes() for name in frame["photo"]]
    for photos in (frame["photo"], content, [np.asarray(Image.open(BytesIO(one))) for one in content]):
        given = frame.assign(photo=pd.Series(photos, dtype=object))
        pd.testing.assert_frame_equal(logged.predict(given), expected)
    run_here("predict", "run", "new/list.csv", "--output", "out.parquet")
    np.testing.assert_array_equal(pd.read_parquet("out.parquet")["prediction"], expected["prediction"])
    assert list(logged.input_example["rooms"]) == list(pd.read_csv("houses.csv")["rooms"][:5])


def test_the_logged_model_serves_rows_with_base64(model: SavedModel, logged: Any) -> None:
    from mlflow.pyfunc.scoring_server import _split_data_and_params, infer_and_parse_data

    text = base64.b64encode(Path("new/0.png").read_bytes()).decode()
    asked = {"dataframe_records": [{"photo": text, "rooms": 3, "city": "Oslo"}]}
    data, _ = _split_data_and_params(json.dumps(asked))
    frame = infer_and_parse_data(data, logged.metadata.get_input_schema())
    expected = model.predict(pd.DataFrame({"photo": ["new/0.png"], "rooms": [3], "city": ["Oslo"]}))
    pd.testing.assert_frame_equal(logged.predict(frame), expected)
