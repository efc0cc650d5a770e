"""Images that a table names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.errors import ConfigError
from tests.data.pictures import animals, cache, make, picture, problems, write

pytestmark = pytest.mark.usefixtures("workplace")


def table(names: Sequence[str], path: str = "lists/pets.csv", **columns: Any) -> None:
    """Of images, which are cats where their name has a c in it."""
    import pandas as pd

    Path(path).parent.mkdir(exist_ok=True)
    kinds = ["cat" if "c" in name else "dog" for name in names]
    frame = pd.DataFrame({"photo": names, "kind": kinds, "note": ["x"] * len(names), **columns})
    frame.to_parquet(path) if path.endswith("parquet") else frame.to_csv(path, index=False)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_that_a_table_names(suffix: str) -> None:
    names = [f"{kind}{number}.png" for kind in ("c", "d") for number in range(8)]
    for number, name in enumerate(names):
        write(f"lists/{name}", picture(number))
    table(names, f"lists/pets.{suffix}", weight=np.arange(16) + 1.0)
    kind = CsvSource if suffix == "csv" else ParquetSource
    prepared = make(source=kind(f"lists/pets.{suffix}", "kind", images="photo", weights="weight"))
    assert prepared.schema.classes == ("cat", "dog")
    batch = next(iter(prepared.split("train").blocks(0, 12, 12)))
    assert batch.inputs.shape == (12, 4, 6, 1)
    assert batch.weights is not None
    for pixels, label, weight in zip(batch.inputs, batch.targets, batch.weights, strict=True):
        assert pixels[0, 0, 0] == weight - 1
        assert label == (weight > 8)
    assert prepared.notes[-1] == "left out: note (data.source.features: all learns from columns beside the images)"
    before = prepared.source_digest
    write(f"lists/{names[0]}", picture(99))
    assert make(source=kind(f"lists/pets.{suffix}", "kind", images="photo", weights="weight")).source_digest != before


def test_images_whose_names_are_numbers_are_looked_at_for_changes() -> None:
    import pandas as pd

    Path("lists").mkdir()
    for number in range(8):
        write(f"{number}.png", picture(number))
        Path(f"{number}.png").rename(f"lists/{number}")
    pd.DataFrame({"photo": range(8), "kind": ["cat", "dog"] * 4}).to_parquet("lists/pets.parquet")
    source = ParquetSource("lists/pets.parquet", "kind", images="photo")
    before = make(source=source).source_digest
    write("other.png", picture(99))
    Path("other.png").rename("lists/3")
    assert make(source=source).source_digest != before


def test_skipped_files_of_a_table_take_their_targets_and_weights_along() -> None:
    animals("lists")
    names = [f"{kind}/{number}.png" for kind in ("cat", "dog/more") for number in range(8)]
    Path("lists/cat/3.png").write_text("no")
    table(names, weight=np.arange(16) + 1.0)
    prepared = make(source=CsvSource("lists/pets.csv", "kind", images="photo", weights="weight", unreadable="skip"))
    assert sum(prepared.splits.values()) == 15
    batch = next(iter(prepared.split("train").blocks(0, prepared.splits["train"], 20)))
    assert batch.weights is not None
    for pixels, weight in zip(batch.inputs, batch.weights, strict=True):
        assert pixels[0, 0, 0] == (weight - 1 if weight <= 8 else weight + 91)


def test_a_table_names_nothing_outside_of_its_folder() -> None:
    animals("elsewhere")
    names = ["../elsewhere/cat/0.png", str(Path("elsewhere/cat/1.png").resolve()), "a/../../elsewhere/cat/2.png"]
    table(names)
    found = problems(source=CsvSource("lists/pets.csv", "kind", images="photo"))
    assert [line.split(" names ")[0] for line in found] == ["data file 'lists/pets.csv'"] * 3
    assert found[-1].endswith(
        "which is not in 'lists': put the table into the folder of the images, or train with data.source.folder"
    )
    table([f"{kind}/{number}.png" for kind in ("cat", "dog/more") for number in range(8)])
    first = make(source=CsvSource("lists/pets.csv", "kind", images="photo", folder="elsewhere"))
    assert first.splits["train"] == 12
    Path("elsewhere").rename("moved")
    moved = CsvSource("lists/pets.csv", "kind", images="photo", folder="moved").open(cache())
    assert moved.digest == first.source_digest


def test_links_do_not_lead_a_table_out_of_its_folder() -> None:
    animals("elsewhere")
    animals("lists/pets")
    Path("lists/out").symlink_to("../elsewhere")
    Path("lists/in").symlink_to("pets")
    table(["out/cat/0.png", "in/cat/0.png", "\0"], "lists/pets.parquet")
    line, other = problems(source=ParquetSource("lists/pets.parquet", "kind", images="photo"))
    assert other.startswith(r"data file 'lists/pets.parquet' names 'lists/\x00', which is not in 'lists'")
    assert line.startswith("data file 'lists/pets.parquet' names 'lists/out/cat/0.png', which is not in 'lists'")


@pytest.mark.parametrize("missing", ["error", "impute"])
def test_a_row_without_an_image_is_refused(missing: str) -> None:
    animals("lists")
    table(["cat/0.png", "", "dog/more/0.png"])
    (line,) = problems(source=CsvSource("lists/pets.csv", "kind", images="photo", missing=missing))  # type: ignore[arg-type]
    assert line == (
        "column 'photo' of 'lists/pets.csv' has 1 missing values, first in row 1 (counted from 0): set "
        "data.source.missing: drop, or give the image"
    )


@pytest.mark.parametrize("options", [{"features": ["photo"]}, {"images": "kind"}, {"exclude": ["photo"]}])
def test_images_of_a_table_are_a_column_of_their_own(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be a column of its own"):
        CsvSource("a.csv", "kind", **{"images": "photo", **options})
    with pytest.raises(ConfigError, match="is for paths of files"):
        CsvSource("a.csv", "kind", folder="x")
