"""A private Ray for the tests of a file that need one, and small jobs to run."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings
from threadpoolctl import threadpool_limits

from dist_bp.config import JobConfig
from dist_bp.imports import importing
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.warden import Warden
from tests.database import left_open

# A time limit of an example would tell of the machine's other work; tests that must end have limits of their own.
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")


LONGEST = ("submit", "cli", "runtime", "track", "train", "serve")
"""Parts of the tests that take most of the time."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Imports all tests, and with them all large libraries."""
    with importing():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest begin first, so that all who run tests beside each other end at about the same time."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.parent.name, len(rank)))


def pytest_configure() -> None:
    """What the process of the tests has from its parent and its libraries, and tests do not want.

    A shell that starts the tests in the background has them ignore Ctrl-C, nohup a closed terminal, and so do all
    commands that they start.
    """
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    here = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([here, os.environ["PATH"]])  # `dist-bp` is called by its name
    threadpool_limits(1, user_api="blas")  # the threads of two tests at a time would wait for each other, busily
    sys.dont_write_bytecode = False  # each process would rewrite the assertions of all tests in each run


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tells a failure at once: whatever ends the tests before their end would leave it untold."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n{report.nodeid} failed at its {report.when}:\n{report.longreprtext}", file=sys.stderr, flush=True)


@pytest.fixture(autouse=True)
def no_store_of_others() -> Iterator[None]:
    """MLflow itself sets the variable, when it is told of a store: also away before fixtures of a whole module."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    yield
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(autouse=True)
def databases_are_closed() -> Iterator[None]:
    """Whoever opens a database closes it; one that is forgotten Python closes later, and 3.13 complains of it."""
    yield
    assert not left_open()


@pytest.fixture(scope="module")
def ray_session() -> Iterator[Warden]:
    """A local Ray; whatever connects to Ray in this process uses it. One for all files would take more processor time:
    each process of the tests would have one that does nothing until the end.
    """
    with Warden() as warden:
        own = Cluster("local", 0, warden)
        own.settled()
        yield warden
        own.close()


@pytest.fixture
def ray_cluster(ray_session: Warden) -> Cluster:
    """A connection to the file's Ray, which closing does not end."""
    return Cluster("local", 0, ray_session)


@pytest.fixture(scope="module")
def pool(ray_session: Warden) -> Iterator[Pool]:
    """Processes that serve one test of the file after the other, unless it kills them: to start one takes long."""
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, as a user would."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, which take seconds to create: one for all who run tests beside each other."""
    import dist_bp.track.figures  # noqa: F401  # jobs that find Matplotlib here start no process to draw with
    from dist_bp.track.mlflow_store import opened_store

    folder = tmp_path_factory.getbasetemp()
    path = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "empty.db"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            made = folder / "made.db"
            with opened_store(f"sqlite:///{made}"):
                pass
            made.rename(path)
    return path


@pytest.fixture
def database(workplace: Path, empty_database: Path) -> Path:
    """The store that jobs record in by default, with its tables."""
    return Path(shutil.copy(empty_database, workplace / "mlflow.db"))


JobMaker = Callable[..., JobConfig]


@pytest.fixture
def make_job(workplace: Path) -> JobMaker:
    """Makes configurations of a small classification; keywords replace whole sections."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(4, 6)) * 2
    labels = generator.integers(0, 4, 400)
    inputs = centres[labels] + generator.normal(size=(400, 6))
    np.savez(workplace / "blobs.npz", x=inputs.astype(np.float32), y=labels)

    def make(**sections: Any) -> JobConfig:
        content: dict[str, Any] = {
            "name": "blobs",
            "seed": 3,
            "data": {"source": {"type": "npz", "path": "blobs.npz"}, "split": {"validation": 0.2, "test": 0.2}},
            "model": {
                "layers": [
                    {"type": "dense", "units": 16},
                    {"type": "batch_norm"},
                    {"type": "activation", "function": "relu"},
                    {"type": "dropout", "rate": 0.2},
                    {"type": "dense", "units": 4},
                ]
            },
            "loss": {"type": "cross_entropy"},
            "train": {
                "epochs": 4,
                "batch_size": 32,
                "group_size": 8,
                "optimizer": {"type": "adam", "learning_rate": 0.01},
            },
            "scaling": {"num_workers": 0},
            "tracking": {"system_metrics": False, "log_model": False},
        }
        for name, section in sections.items():
            content[name] = content.get(name, {}) | section if isinstance(section, dict) else section
        return JobConfig.model_validate(content)

    return make


def shared_memory_files() -> set[str]:
    """Files in shared memory that no process uses: those that others work with come and go.

    The database server of another test keeps segments that none of its processes has mapped.
    """
    names = {name for name in os.listdir("/dev/shm") if not name.startswith("PostgreSQL.")}
    for maps in Path("/proc").glob("[0-9]*/maps") if names else ():
        with suppress(OSError):  # it has ended
            used = maps.read_text()
            names = {name for name in names if f"/dev/shm/{name}" not in used}
    return names
