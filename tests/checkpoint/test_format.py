import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dist_bp.checkpoint import CheckpointStore, export_model, load
from dist_bp.errors import CheckpointError
from tests.checkpoint.samples import assert_equal, sample, sign

FILES = ("config.yaml", "manifest.json", "model.safetensors", "optimizer.safetensors", "pipeline.json")
WRITTEN = {
    "format": "dist_bp checkpoint",
    "version": 2,
    "job": "digits",
    "run_id": "run",
    "step": 7,
    "epoch": 2,
    "step_in_epoch": 3,
    "dtype": "float32",
    "data_digest": "da7a" * 16,
    "metrics": {"val_loss": 0.25},
    "loop_state": {"seconds": 1.5},
    "sequence": 4,
    "monitored": 0.5,
    "mode": "min",
}
ARRAYS = {name: getattr(sample(), name) for name in ("parameters", "statistics", "optimizer")}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_round_trip_is_exact_to_the_bit(tmp_path: Path, dtype: str) -> None:
    bits = {"float32": ("uint32", 0x7FC0BEEF), "float64": ("uint64", 0x7FF8DEADBEEF0001)}[dtype]
    odd = np.array([bits[1], 1, 0], bits[0]).view(dtype)  # a NaN with a payload, the least subnormal, zero
    odd[2] = -0.0
    checkpoint = sample(dtype=dtype, statistics={"odd": odd, "scalar": np.array(2.5, dtype)})
    store = CheckpointStore(tmp_path)
    assert_equal(load(store.save(checkpoint)), checkpoint)


@settings(max_examples=30, deadline=None)
@given(
    array=hnp.arrays(
        st.sampled_from(["float32", "float64", "int64", "uint8", "bool"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_any_shape_comes_back(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    checkpoint = sample(progress={"array": array, "transposed": array.T, "": array})
    store = CheckpointStore(tmp_path_factory.mktemp("run"))
    assert_equal(load(store.save(checkpoint)), checkpoint)


def test_transposed_and_strided_arrays_are_saved_by_value(tmp_path: Path) -> None:
    base = np.arange(24.0).reshape(4, 6)
    path = CheckpointStore(tmp_path).save(sample(parameters={"t": base.T, "s": base[::2, 1::3]}))
    loaded = load(path).parameters
    np.testing.assert_array_equal(loaded["t"], base.T)
    np.testing.assert_array_equal(loaded["s"], base[::2, 1::3])


def test_empty_groups_leave_no_files(tmp_path: Path) -> None:
    checkpoint = sample(optimizer={}, progress={}, statistics={}, history=())
    path = CheckpointStore(tmp_path).save(checkpoint)
    assert sorted(item.name for item in path.iterdir()) == [name for name in FILES if not name.startswith("optim")]
    assert_equal(load(path), checkpoint)


def test_non_finite_metrics_and_number_keys_survive(tmp_path: Path) -> None:
    state = {"best": float("-inf"), "counts": {10: 1, 9: 2}, "pair": (1, 2)}
    loaded = load(CheckpointStore(tmp_path).save(sample(loop_state=state, metrics={"val_loss": float("nan")})))
    assert loaded.loop_state == {"best": float("-inf"), "counts": {"10": 1, "9": 2}, "pair": [1, 2]}
    assert np.isnan(loaded.metrics["val_loss"])


def test_files_are_as_readable_as_the_umask_says(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        path = CheckpointStore(tmp_path).save(sample())
    finally:
        os.umask(previous)
    assert {item.stat().st_mode & 0o777 for item in path.iterdir()} == {0o640}
    assert path.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("name", [*FILES, "progress.safetensors"])
def test_every_damage_to_every_file_is_found_and_named(tmp_path: Path, name: str) -> None:
    store = CheckpointStore(tmp_path)
    older, path = store.save(sample(1)), store.save(sample(2))
    original = (path / name).read_bytes()
    places = range(0, len(original), max(1, len(original) // 12))
    flipped = [original[:at] + bytes([original[at] ^ 0x10]) + original[at + 1 :] for at in places]
    for content in [b"", original[:-1], original[: len(original) // 2], original + b" x", *flipped]:
        (path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=re.escape(name)) as caught:
            load(path)
        assert str(older) in caught.value.problems[-1]
    (path / name).unlink()
    with pytest.raises(CheckpointError, match=f"{re.escape(name)} is missing"):
        load(path)
    (path / name).write_bytes(original)
    assert_equal(load(path), sample(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 9}, "does not match its own digest"),
        ({"data_digest": "other"}, "does not match its own digest"),
        ({"files": {}}, "does not match its own digest"),
        ({"digest": "0" * 64}, "does not match its own digest"),
        ({"version": 1}, "format version 1, this dist_bp reads version 2"),
        ({"format": "something"}, "does not belong to a checkpoint of dist_bp"),
    ],
)
def test_an_edited_manifest_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = CheckpointStore(tmp_path).save(sample())
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | change))
    with pytest.raises(CheckpointError, match=re.escape(message)):
        load(path)


def test_a_manifest_with_a_digest_of_the_model_is_read(tmp_path: Path) -> None:
    """As they were written before."""
    path = CheckpointStore(tmp_path).save(sample())
    sign(path, json.loads((path / "manifest.json").read_text()) | {"model_digest": "0" * 64})
    assert_equal(load(path), sample())


def test_a_manifest_holds_what_it_always_held(tmp_path: Path) -> None:
    """Its format has a version: another set of keys is another one, and no older checkpoint is read any more."""
    path = CheckpointStore(tmp_path).save(sample(), 0.5)
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest.keys() - {"files", "created", "dist_bp_version", "digest"} == WRITTEN.keys()
    sign(path, manifest | WRITTEN)
    assert_equal(load(path), sample(7, **ARRAYS | {"metrics": {"val_loss": 0.25}, "loop_state": {"seconds": 1.5}}))


def test_all_damaged_files_are_named_at_once(tmp_path: Path) -> None:
    path = CheckpointStore(tmp_path).save(sample())
    (path / "model.safetensors").unlink()
    (path / "optimizer.safetensors").write_bytes(b"short")
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert len(caught.value.problems) == 2


def test_a_prediction_needs_no_optimizer_state(tmp_path: Path) -> None:
    path = CheckpointStore(tmp_path / "run").save(sample())
    (path / "optimizer.safetensors").unlink()
    assert_equal(load(path, for_resuming=False), sample(optimizer={}, progress={}, history=()))


def test_an_exported_model_holds_what_a_prediction_needs_and_replaces_the_last_one(tmp_path: Path) -> None:
    for step in (1, 2):
        path = export_model(tmp_path / "run" / "model", sample(step))
        assert_equal(load(path), sample(step, optimizer={}, progress={}, loop_state={}, history=()))
    assert [item.name for item in path.parent.iterdir()] == ["model"]
    assert sorted(item.name for item in path.iterdir()) == [name for name in FILES if not name.startswith("optim")]
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write"):
        export_model(tmp_path / "file" / "model", sample())


def test_a_missing_directory_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint at"):
        load(tmp_path / "nothing")
