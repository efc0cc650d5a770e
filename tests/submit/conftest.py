"""A local head with a token for the tests of a file."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dist_bp.runtime.cluster import import_ray
from dist_bp.runtime.warden import Warden
from tests.submit.local_head import COMMAND, DIGITS, Place, is_alive, processes_of


@pytest.fixture(scope="session", autouse=True)
def ray_imported() -> None:
    """With the switches that the tests' own Ray needs."""
    import_ray(own=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Place]:
    """Where a head is up, with digits.yaml in the folder; afterwards nothing of it is left."""
    base = tmp_path_factory.mktemp("submit")
    place = Place(base / "work", base / "state")
    place.folder.mkdir()
    shutil.copy(DIGITS, place.folder)
    shutil.copy(empty_database, place.folder / "mlflow.db")
    with Warden() as warden:  # a head outlives the tests that are killed
        down = [*COMMAND, "cluster", "down"]
        warden.run(down, {"XDG_STATE_HOME": str(place.state)})
        assert place.json("cluster", "up", "--num-cpus", "2")["alive"]
        folder = place.head()["folder"]
        yield place
        before = processes_of(folder)
        place.json("cluster", "down")
    assert not [process for process in (*before, *processes_of(folder)) if is_alive(process)]
    assert not Path(folder).exists()
    assert not list((place.state / "dist_bp" / "cluster").iterdir())
