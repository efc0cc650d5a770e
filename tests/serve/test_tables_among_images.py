"""Tables where images are asked for, and names of images where a table is read: each line says what is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.commands import run_here
from tests.serve.samples import configuration, save

LAYERS = [{"type": "flatten"}, {"type": "dense", "units": 2}]
NAMES = [f"{kind}{number}.png" for kind in ("ant", "bee") for number in range(6)]
KINDS = [name[:3] for name in NAMES]
OF_FOLDER = {"type": "image_folder", "path": "pets"}
OF_TABLE = {"type": "csv", "path": "loose/list.csv", "target": "kind", "images": "file"}
READ_IT = "data.source: {type: csv, path: loose/list.csv, images: COLUMN, target: COLUMN}"
TRAINED_OTHERWISE = "is a table, and the model has learnt from image files that no table named: give the images"


@pytest.fixture(autouse=True)
def folders(workplace: Path) -> None:
    """The same images in a folder for each class, and beside a table that names them."""
    for number, name in enumerate(NAMES):
        for path in (Path("pets", name[:3], name), Path("loose", name)):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 5), 20 * number, np.uint8)).save(path)
    pd.DataFrame({"file": NAMES, "kind": KINDS}).to_csv("loose/list.csv", index=False)
    pd.DataFrame({"file": NAMES}).to_csv("loose/new.csv", index=False)


def job(source: dict[str, Any]) -> Path:
    data = {"source": source, "preprocess": [{"type": "scale"}]}
    return configuration(Path(), source, 2, data=data, model={"layers": LAYERS}, scaling={"num_workers": 0})


def refused(*arguments: str) -> list[str]:
    done = run_here(*arguments)
    assert done.returncode == 2, done.stderr
    return [line.removeprefix("error: ") for line in done.stderr.splitlines()]


def test_the_column_of_images_may_have_the_name_that_predictions_give_it() -> None:
    save(job(OF_TABLE))
    done = run_here("predict", "run", "loose/new.csv")
    assert done.returncode == 0, done.stderr
    assert [line.partition(",")[0] for line in done.stdout.splitlines()] == ["file", *NAMES]
    assert run_here("evaluate", "run", "loose/list.csv").returncode == 0
    Path("loose/gap.csv").write_text("file,kind\nant0.png,ant\n,bee\n")
    assert refused("predict", "run", "loose/gap.csv") == [
        "the images column 'file' of 'loose/gap.csv' is missing in row 1 (counted from 0)"
    ]


def test_a_column_of_the_table_is_not_taken_for_the_names_of_images() -> None:
    frame = pd.DataFrame({"photo": NAMES, "file": range(12), "kind": KINDS})
    frame.to_csv("loose/photos.csv", index=False)
    save(job({**OF_TABLE, "path": "loose/photos.csv", "images": "photo"}))
    done = run_here("predict", "run", "loose/photos.csv")
    assert [line.partition(",")[0] for line in done.stdout.splitlines()] == ["file", *NAMES]


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        (
            "loose",
            [
                "the folder 'loose' has no folders in it: put the images of each class into one of its name",
                f"'loose/list.csv' is a table: where it says the class of each image, read it with {READ_IT}",
            ],
        ),
        (
            "loose/list.csv",
            [
                "the folder 'loose/list.csv' is a file: name the folder that holds one for each class",
                f"'loose/list.csv' is a table: where it says the class of each image, read it with {READ_IT}",
            ],
        ),
        ("loose/ant0.png", ["the folder 'loose/ant0.png' is a file: name the folder that holds one for each class"]),
    ],
)
def test_a_folder_that_is_a_table_or_holds_one(path: str, lines: list[str]) -> None:
    if path == "loose":
        Path("loose/new.csv").unlink()
    assert refused("train", str(job({**OF_FOLDER, "path": path})), "--dry-run") == lines


def test_a_table_that_is_passed_over_is_told_with_how_it_would_be_read() -> None:
    Path("loose/list.csv").rename("pets/list.csv")
    done = run_here("train", str(job(OF_FOLDER)), "train.batch_size=4", "--dry-run")
    note = (
        "1 file without the suffix of an image passed over: 'pets/list.csv' (labels in a table are read with type: csv"
    )
    assert note in done.stdout


def test_tables_for_a_model_of_a_folder() -> None:
    save(job(OF_FOLDER))
    for arguments in (["loose/list.csv"], ["loose/ant0.png", "loose/list.csv"]):
        assert refused("predict", "run", *arguments) == [f"data file 'loose/list.csv' {TRAINED_OTHERWISE}"]
    assert refused("evaluate", "run", "loose/list.csv") == [
        f"data file 'loose/list.csv' {TRAINED_OTHERWISE}, in a folder for each class"
    ]
    assert refused("evaluate", "run", "loose") == [
        "the folder 'loose' has no folders in it: put the images of each class into one of its name"
    ]


def test_tables_and_images_are_predicted_apart() -> None:
    save(job(OF_TABLE))
    assert refused("predict", "run", "loose/ant0.png", "loose/new.csv") == [
        "'loose/new.csv' is a table or holds arrays, and 'loose/ant0.png' does not: predict them one after the other"
    ]


def test_a_table_that_has_no_column_of_labels() -> None:
    save(job(OF_TABLE))
    (line,) = refused("evaluate", "run", "loose/new.csv")
    assert line == (
        "data file 'loose/new.csv' has no column 'kind' (there is 'file'), which holds the targets: add it, or name "
        "their file with --targets"
    )
    (line,) = refused("train", str(job({**OF_TABLE, "path": "loose/new.csv"})), "--dry-run")
    assert line == "target: data file 'loose/new.csv' has no column 'kind' (there is 'file')"


@pytest.mark.parametrize("missing", ["error", "impute"])
@pytest.mark.parametrize("steps", [[], [{"type": "one_hot"}]])
def test_a_column_of_names_of_images_is_nothing_to_impute_or_encode(missing: str, steps: list[Any]) -> None:
    source = {"type": "csv", "path": "loose/list.csv", "target": "kind", "missing": missing}
    learn = "name it in data.source.images to learn from the images themselves, or leave it out (data.source.exclude)"
    for gap in (False, True):
        if gap:
            Path("loose/list.csv").write_text("file,kind\n,ant\n" + "".join(f"{name},{name[:3]}\n" for name in NAMES))
        else:
            pd.DataFrame({"file": NAMES * 2, "kind": KINDS * 2}).to_csv("loose/list.csv", index=False)
        data = {"source": source, "preprocess": steps}
        path = configuration(Path(), source, 2, data=data, scaling={"num_workers": 0})
        if not gap and steps:
            continue  # few names that come often may be categories
        (line,) = refused("train", str(path), "--dry-run")
        assert line.startswith("column 'file'")
        assert "holds names of image files" in line
        assert line.endswith(learn)
