"""Sound files from the shell to predictions, and from whatever loads the logged model."""

from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dist_bp import build
from dist_bp.checkpoint import export_model, load
from dist_bp.config import load_config
from dist_bp.data.media import new
from dist_bp.data.media.new import NewFiles
from dist_bp.errors import DataError
from dist_bp.serve import SavedModel
from dist_bp.serve.files import evaluate_file, predict_files
from dist_bp.serve.package import Packager
from tests.commands import run_here
from tests.serve.samples import configuration, save
from tests.sounds.noises import tone, write

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]

STEPS = [{"type": "log_mel", "bands": 8}, {"type": "standardize"}]
LAYERS = [{"type": "dense", "units": 4}, {"type": "mean_over_time"}, {"type": "dense", "units": 2}]


@pytest.fixture
def model(workplace: Path) -> SavedModel:
    """Of the classes high and low; beside it a folder `new` with two sounds, one of another rate."""
    for number in range(6):
        for name, hertz in (("low", 200), ("high", 900)):
            write(f"hums/{name}/{number}.wav", tone(hertz, 0.1 + number / 50))
    write("new/a.wav", tone(250, 0.3))
    write("new/b.wav", tone(250, 0.3, rate=16000), 16000)
    source = {"type": "sound_folder", "path": "hums"}
    data = {"source": source, "preprocess": STEPS, "prepared": "prepared"}
    return SavedModel.load(save(configuration(workplace, source, 2, data=data, model={"layers": LAYERS})))


def test_files_folders_and_arrays_are_predicted_alike(model: SavedModel) -> None:
    notes: list[str] = []
    blocks: list[pd.DataFrame] = []
    assert predict_files(model, ["new", "hums/low/*.wav"], blocks.append, new=NewFiles(note=notes.append)) == (8, None)
    (found,) = blocks
    assert [*found["file"][:3]] == ["new/a.wav", "new/b.wav", "hums/low/0.wav"]
    assert notes == [
        "1 of 8 sounds were converted, such as 'new/b.wav' (16,000 samples a second, 1 channel): training had 8,000 "
        "samples a second, 1 channel"
    ]
    given = model.predict([(tone(250, 0.3), 8000), Path("new/a.wav").read_bytes(), "hums/low/0.wav"])
    np.testing.assert_allclose(given.iloc[1:, 1:], found.iloc[[0, 2], 2:], atol=1e-6)


def test_long_sounds_are_few_at_a_time(model: SavedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"hums/low/{number}.wav" for number in range(6)]
    whole: list[pd.DataFrame] = []
    predict_files(model, paths, whole.append)
    blocks: list[pd.DataFrame] = []
    monkeypatch.setattr(new, "BLOCK_BYTES", 700)
    predict_files(model, paths, blocks.append)
    assert [len(block) for block in blocks] == [3, 2, 1]
    pd.testing.assert_frame_equal(pd.concat(blocks, ignore_index=True), whole[0])


@pytest.mark.usefixtures("model")
def test_commands() -> None:
    write("new/silent.wav", np.zeros(80))
    refused = run_here("predict", "run", "new")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "sound file 'new/silent.wav' cannot be read: it is silent from beginning to end" in refused.stderr
    done = run_here("predict", "run", "new", "--unreadable", "skip")
    assert [*pd.read_csv(StringIO(done.stdout))["file"]] == ["new/a.wav", "new/b.wav"]
    assert done.stderr.count("note: ") == 2
    assert "12 samples" in run_here("evaluate", "run", "hums").stdout
    np.save("new.npy", np.stack([tone(250, 0.3, rate=16000), tone(800, 0.3, rate=16000)]))
    refused = run_here("predict", "run", "new.npy")
    assert "'new.npy' holds arrays, which do not say their rate: give it with --rate" in refused.stderr
    done = run_here("predict", "run", "new.npy", "--rate", "16000")
    assert [*pd.read_csv(StringIO(done.stdout))["file"]] == ["new.npy[0]", "new.npy[1]"]
    assert done.stderr.count("note: 2 of 2 sounds were converted") == 1


def test_arrays_with_their_rate_are_predicted_as_files(model: SavedModel) -> None:
    fast = tone(250, 0.3, rate=16000)
    files: list[pd.DataFrame] = []
    predict_files(model, ["new/a.wav"], files.append)
    same = model.predict([tone(250, 0.3), tone(250, 0.3)], rate=8000)
    np.testing.assert_allclose(same.iloc[:1, 1:], files[0].iloc[:, 2:], atol=1e-3)
    pd.testing.assert_frame_equal(model.predict(np.stack([tone(250, 0.3)] * 2), rate=8000), same)
    with pytest.warns(UserWarning, match="2 of 2 sounds were converted") as told:
        model.predict([fast, np.stack([fast, fast], axis=1)], rate=16000)
    assert len(told) == 1
    with pytest.raises(DataError, match="a rate is for several sounds in arrays"):
        model.predict(fast, rate=16000)
    np.savez("new.npz", x=np.stack([tone(200, 0.3), tone(900, 0.3)]), y=["low", "high"])
    assert evaluate_file(model, "new.npz", new=NewFiles(rate=8000))[0] == 2


def test_a_folder_is_measured_with_the_classes_of_its_names(workplace: Path) -> None:
    for number in range(6):
        for name, hertz in (("low", 200), ("high", 900)):
            write(f"hums/{name}_{number}.wav", tone(hertz, 0.1 + number / 50))
    source = {"type": "sound_folder", "path": "hums", "pattern": "(?P<label>[a-z]+)_.*"}
    data = {"source": source, "preprocess": STEPS, "prepared": "prepared"}
    model = SavedModel.load(save(configuration(workplace, source, 2, data=data, model={"layers": LAYERS})))
    count, scores = evaluate_file(model, "hums")
    assert count == 12
    assert 0 <= scores["accuracy"] <= 1


def test_parts_of_files_in_a_table(workplace: Path) -> None:
    write("all.wav", np.concatenate([tone(200, 0.5), tone(900, 0.5)]))
    rows = [f"all.wav,{0.5 * high + 0.05 * number},{0.5 * high + 0.2},{high}" for high in (0, 1) for number in range(3)]
    rows.append("all.wav,,0.1,0")
    Path("list.csv").write_text("\n".join(["file,begin,stop,high", *rows]))
    source = {"type": "csv", "path": "list.csv", "target": "high", "sounds": "file", "start": "begin", "end": "stop"}
    source["categorical"] = ["high"]
    source["missing"] = "drop"  # a gap in begin or stop is none
    data = {"source": source, "preprocess": STEPS, "prepared": "prepared"}
    model = SavedModel.load(save(configuration(workplace, source, 2, data=data, model={"layers": LAYERS})))
    assert evaluate_file(model, "list.csv")[0] == 7
    blocks: list[pd.DataFrame] = []
    predict_files(model, ["list.csv"], blocks.append)
    part = tone(200, 0.5)[400:1600]
    np.testing.assert_allclose(
        model.predict([(part, 8000)]).iloc[0, 1:], blocks[0].iloc[1, 2:].astype(float), atol=1e-3
    )


def test_the_model_as_mlflow_loads_it(model: SavedModel, workplace: Path) -> None:
    import mlflow.pyfunc

    from dist_bp.track.mlflow_packing import pack

    config = load_config(workplace / "job.yaml")
    exported = export_model(workplace / "run" / "model", load(Path("runs/run/checkpoints/step-000000001")))
    package = Packager(config, build.prepare(config), exported.parent).package(exported)
    assert {one.partition("==")[0] for one in package.pip_requirements} >= {"soundfile", "scipy"}
    assert [*package.input_example] == ["sound"]
    names = {"artifact_location": "packed", "source_run_id": None, "model_id": None}
    pack(package, workplace / "packed", SimpleNamespace(**names))  # type: ignore[arg-type]
    loaded = mlflow.pyfunc.load_model(str(workplace / "packed"))
    data = Path("new/a.wav").read_bytes()
    found = loaded.predict(pd.DataFrame({"sound": [data]}))
    np.testing.assert_allclose(found.iloc[0, 1:].astype(float), model.predict([data]).iloc[0, 1:].astype(float))


def test_what_is_said_in_a_sound_is_a_text_of_labels(workplace: Path) -> None:
    rows = []
    for number in range(8):
        pitches = ["low", "high", "low"][number % 2 :]
        write(f"{number}.wav", np.concatenate([tone(200 if name == "low" else 900, 0.2) for name in pitches]))
        rows.append(f"{number}.wav,{' '.join(pitches)}")
    Path("list.csv").write_text("\n".join(["file,said", *rows]))
    source = {"type": "csv", "path": "list.csv", "target": "said", "sounds": "file"}
    data = {"source": source, "preprocess": STEPS, "prepared": "prepared", "split": {"validation": 0.25}}
    job = {"data": data, "model": {"layers": [{"type": "dense", "units": 3}]}, "loss": {"type": "ctc"}}
    config = configuration(workplace, source, 3, **job)
    prepared = build.prepare(load_config(config))
    assert prepared.schema.classes == ("high", "low")
    targets = prepared.split("train").targets
    assert {*np.diff(targets.offsets).tolist()} == {2, 3}
    model = SavedModel.load(save(config))
    count, scores = evaluate_file(model, "list.csv")
    assert count == 8
    assert scores["label_error_rate"] >= 0
    Path("list.csv").write_text("file,said\n0.wav,low\n1.wav,mid low")
    with pytest.raises(DataError, match="label 'mid' in row 1"):
        evaluate_file(model, "list.csv")


def test_sounds_beside_other_columns(workplace: Path) -> None:
    rows = []
    for number in range(8):
        write(f"{number}.wav", tone((200, 900)[number % 2], 0.1 + number / 50))
        rows.append(f"{number}.wav,{number / 8},{'ab'[number % 2]}")
    Path("list.csv").write_text("\n".join(["file,age,name", *rows]))
    source = {"type": "csv", "path": "list.csv", "target": "name", "sounds": "file", "features": ["age"]}
    steps = [{"type": "log_mel", "bands": 8}, {"type": "standardize", "input": "file"}]
    inputs = {"file": [{"type": "mean_over_time"}], "numbers": []}
    layers = [{"type": "branches", "inputs": inputs}, {"type": "dense", "units": 2}]
    data = {"source": source, "preprocess": steps, "prepared": "prepared", "split": {"validation": 0.25}}
    model = SavedModel.load(save(configuration(workplace, source, 2, data=data, model={"layers": layers})))
    assert evaluate_file(model, "list.csv")[0] == 8
    blocks: list[pd.DataFrame] = []
    predict_files(model, ["list.csv"], blocks.append)
    rows_given = [{"file": "3.wav", "age": 3 / 8}, {"file": (tone(900, 0.16), 8000), "age": 0.375}]
    given = model.predict(pd.DataFrame(rows_given))
    np.testing.assert_allclose(given.iloc[0, 1:].astype(float), blocks[0].iloc[3, 2:].astype(float), atol=1e-6)
    np.testing.assert_allclose(given.iloc[1, 1:].astype(float), given.iloc[0, 1:].astype(float), atol=1e-2)
