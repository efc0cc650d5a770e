import shutil
from pathlib import Path

import pytest

from dist_bp.checkpoint import CheckpointStore, export_model
from dist_bp.errors import CheckpointError
from dist_bp.serve import find_model
from tests.checkpoint.samples import sample


def no_download(uri: str) -> Path:
    raise AssertionError(f"{uri} is not to be downloaded")


def make_run(root: Path) -> tuple[Path, Path]:
    """(best, latest) checkpoint of the run `a` below `root`."""
    store = CheckpointStore(root / "a" / "checkpoints")
    return store.save(sample(1), 0.1), store.save(sample(2), 0.2)


def test_a_run_gives_its_final_model_or_else_its_best_checkpoint(tmp_path: Path) -> None:
    best, latest = make_run(tmp_path)
    for name in ("a", str(tmp_path / "a"), str(tmp_path / "a" / "checkpoints")):
        assert find_model(name, tmp_path, no_download) == best
    assert find_model(str(latest), tmp_path, no_download) == latest
    exported = export_model(tmp_path / "a" / "model", sample(2))
    for name in ("a", str(tmp_path / "a"), str(exported)):
        assert find_model(name, tmp_path, no_download) == exported


def test_an_mlflow_model_is_found_in_its_folder_or_fetched(tmp_path: Path) -> None:
    best, _ = make_run(tmp_path / "runs")
    folder = tmp_path / "downloaded"
    shutil.copytree(best, folder / "artifacts" / "model")
    (folder / "MLmodel").write_text("")
    asked = []

    def download(uri: str) -> Path:
        asked.append(uri)
        return folder

    uris = ["models:/m-1", "runs:/abc/model", "models:/name/3", "mlflow-artifacts:/x", "file:///x"]
    for name in [str(folder), *uris]:
        assert find_model(name, tmp_path, download) == folder / "artifacts" / "model"
    assert asked == uris


def test_no_other_checkpoint_takes_the_place_of_a_damaged_best_one(tmp_path: Path) -> None:
    best, latest = make_run(tmp_path)
    (best / "pipeline.json").unlink()
    with pytest.raises(CheckpointError, match=f"the best intact one is {latest}"):
        find_model("a", tmp_path, no_download)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path / "runs")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds neither a model nor a checkpoint"):
        find_model(str(tmp_path / "empty"), tmp_path, no_download)
    (tmp_path / "empty" / "MLmodel").write_text("")
    with pytest.raises(CheckpointError, match="is an MLflow model, but not one of dist_bp"):
        find_model(str(tmp_path / "empty"), tmp_path, no_download)
    for name in ("b", str(tmp_path / "nowhere"), "/dev/zero", "**", ""):
        with pytest.raises(CheckpointError, match=r"neither a run in .* nor a folder: the newest there are a"):
            find_model(name, tmp_path / "runs", no_download)
