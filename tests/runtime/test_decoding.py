"""Images are decoded on a cluster as by processes of this machine; what goes wrong there is told, and nothing stays."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dist_bp.errors import DataError, TrainingFailed
from dist_bp.images.decoder import Decoder
from dist_bp.images.opening import Unreadable
from dist_bp.images.operations import Recoloured, Resized
from dist_bp.media import crew, files, parcels
from dist_bp.media.files import decode_files
from dist_bp.runtime import decoding
from dist_bp.runtime.cluster import LOOPBACK, Cluster
from dist_bp.runtime.decoding import crew_of, decode_on
from dist_bp.runtime.placement import Node
from dist_bp.train.setup import prepare_job
from tests.conftest import JobMaker
from tests.runtime.decoders import Bad

DECODER = Decoder((Recoloured(1), Resized(6, 7, "fit", "bilinear", 0)))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process decodes but the first files."""
    monkeypatch.setattr(files, "ALONE_SECONDS", 0.0)


@pytest.fixture
def paths(workplace: Path) -> list[str]:
    """Relative paths of images of many sizes; of files that are none, are not there, and are too large."""
    draw = np.random.default_rng(0)
    names = [f"{number}.png" for number in range(150)]
    for number, name in enumerate(names):
        Image.fromarray(draw.integers(0, 256, (5 + number % 4, 8, 3), np.uint8)).save(name)
    for number in range(0, 150, 9):
        Path(names[number]).write_text("nothing" if number else "")
    Path(names[40]).unlink()
    os.truncate(names[77], 2**28 + 1)
    return names


def test_a_cluster_gives_the_same_as_processes(
    ray_cluster: Cluster, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcels, "PARCEL_BYTES", 4000)
    expected = [one for some in decode_files(DECODER, paths) for one in some]
    found = [one for some in decode_on(ray_cluster, DECODER, paths, 32, (6, 7, 1)) for one in some]
    assert len(found) == len(expected) == len(paths)
    for mine, theirs in zip(expected, found, strict=True):
        if isinstance(mine, DataError):
            assert isinstance(theirs, Unreadable)
            assert str(theirs) == str(mine)
        else:
            assert np.array_equal(mine, theirs)
    assert str(found[40]) == "image file '40.png' cannot be read: No such file or directory"


def test_parcels_are_small_and_in_order(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "PARCEL_BYTES", 2000)
    made = list(parcels.parcels(paths, 9))
    assert [path for names, _ in made for path in names] == paths
    assert [names for names, contents in made if not contents] == [[paths[40]], [paths[77]]]
    assert max(len(names) for names, _ in made) == 9
    assert max(sum(map(len, contents)) for _, contents in made) <= 2000
    for names, contents in made:
        assert not contents or contents == [Path(name).read_bytes() for name in names]


def test_a_process_that_is_lost_is_replaced(ray_cluster: Cluster, paths: list[str], workplace: Path) -> None:
    Path(paths[8]).rename("bad.png")
    paths[8] = "bad.png"
    expected = [one for some in decode_files(DECODER, paths[:12]) for one in some]
    bad = Bad(DECODER.operations, "dies once", str(workplace))
    found = [one for some in decode_on(ray_cluster, bad, paths[:12], 4) for one in some]
    assert len(list(workplace.glob("*.pid"))) == 2
    for mine, theirs in zip(expected, found, strict=True):
        assert str(theirs) == str(mine)


@pytest.mark.parametrize(("how", "kind", "line"), [
    ("dies", DataError, "the process that decodes images ended at one of the files '4.png' to '7.png', 1 time"),
    ("raises", TrainingFailed, "images cannot be decoded on node 127.0.0.1: nobody expects this"),
    ("hangs", TrainingFailed, "Ray did not decode one of the files '4.png' to '7.png' within 1 s: its CPUs are taken, "
     "or a task hangs"),
])  # fmt: skip
def test_a_task_that_fails_is_told_and_nothing_stays(
    ray_cluster: Cluster,
    paths: list[str],
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    kind: type[Exception],
    line: str,
) -> None:
    monkeypatch.setattr(decoding, "RETRIES", 0)
    Path(paths[5]).rename("bad.png")
    paths[5] = "bad.png"
    blocks = decode_on(ray_cluster, Bad((), how, str(workplace)), paths, 4)
    next(blocks)
    _begun(workplace)
    if how == "hangs":
        monkeypatch.setattr(crew, "SECONDS", 1.0)
    with pytest.raises(kind) as caught:
        next(blocks)
    assert str(caught.value) == line
    if how != "raises":
        _gone(workplace)


def test_blocks_that_wait_here_are_few_whatever_the_cluster_has(
    ray_cluster: Cluster, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "nodes", [Node("", LOOPBACK, 1000)])
    calls: list[str] = []
    call = ray_cluster.call
    monkeypatch.setattr(ray_cluster, "call", lambda what, *rest: calls.append(what) or call(what, *rest))
    for held, expected in ((5 * files.BLOCK_BYTES, 5), (1, 1)):
        calls.clear()
        monkeypatch.setattr(decoding, "HELD_BYTES", held)
        blocks = decode_on(ray_cluster, DECODER, paths[1:], 4)
        next(blocks)
        blocks.close()
        assert calls.count("images were sent to be decoded") == expected


def _begun(folder: Path) -> None:
    """Waits until somebody is at the file."""
    deadline = time.monotonic() + 30
    while not list(folder.glob("*.pid")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _gone(folder: Path) -> None:
    (path,) = folder.glob("*.pid")
    deadline = time.monotonic() + 10
    while Path("/proc", path.stem).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_whoever_stops_listening_leaves_no_task(ray_cluster: Cluster, paths: list[str], workplace: Path) -> None:
    Path(paths[5]).rename("bad.png")
    paths[5] = "bad.png"
    blocks = decode_on(ray_cluster, Bad((), "hangs", str(workplace)), paths, 4)
    next(blocks)
    _begun(workplace)
    blocks.close()
    _gone(workplace)


def test_a_job_that_joins_a_cluster_decodes_there(
    ray_cluster: Cluster, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        Path("pets", kind).mkdir(parents=True)
        for number in range(60):
            Image.fromarray(draw.integers(0, 256, (5, 6), np.uint8)).save(f"pets/{kind}/{number}.png")
    calls: list[int] = []
    decode = decoding.decode_on

    def counted(cluster: Cluster, decoder: Decoder, some: Any, size: int, shape: Any) -> Any:
        calls.append(len(some))
        return decode(cluster, decoder, some, size, shape)

    monkeypatch.setattr(decoding, "decode_on", counted)
    model = {"layers": [{"type": "flatten"}, {"type": "dense", "units": 2}]}
    made = {}
    for name, sections, there in (
        ("in process", {"ray": {"address": "auto"}}, []),
        ("a Ray of its own", {"scaling": {"num_workers": 1}}, []),
        ("a cluster", {"scaling": {"num_workers": 1}, "ray": {"address": "auto"}}, [88]),
    ):
        data = {"source": {"type": "image_folder", "path": "pets"}, "prepared": name}
        config = make_job(model=model, data=data, **sections)
        prepared = prepare_job(config, crew=crew_of(config)).prepared
        assert calls == there
        made[name] = [path.read_bytes() for path in sorted(prepared.directory.rglob("*.npy"))]
    assert made["a cluster"] == made["a Ray of its own"] == made["in process"]
