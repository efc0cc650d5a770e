"""The tracker port: everything a job tells about itself goes through this narrow interface."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dist_bp.track.view import RunsView
from dist_bp.types import Direction

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]

SOURCE = "mlflow.source.name"
"""Tag: the program that started a run."""
DESCRIPTION = "mlflow.note.content"
"""The tag that the user interface shows as a run's description, in markdown."""

SWEEP = "dist_bp.sweep"
"""The tag with the name of a sweep, of its parent run and of its trials."""

COMMAND = "dist_bp.command"
"""The tag with the command line of a run's driver, as it can be typed again."""

PARENT = "mlflow.parentRunId"
"""The tag that nests a run in another."""


@dataclass(frozen=True)
class TrackingSettings:
    """Where and how a run is recorded."""

    tracking_uri: str
    experiment: str
    spool_folder: Path  # where commands look for what the store has not taken
    run_name: str | None = None  # None: that of the job, with a number where there is such a run
    job: str = "run"
    names_taken: Callable[[], Collection[str]] = frozenset
    forget: Callable[[str], bool] | None = None
    """Asked by id of each run of the job that was killed at its start whether it is to be deleted, and forgotten."""

    begin: Callable[[], None] = lambda: None
    """Called before the run begins, or goes on; what it raises prevents that."""

    artifact_location: str | None = None  # of a new experiment; None: `mlartifacts` beside an SQLite store
    journal: Path | None = None  # what the store has not taken is there, as with the checkpoints; None: `spool_folder`
    system_metrics: bool = True
    system_metrics_seconds: float = 10.0
    view: RunsView | None = None  # of the experiment, for those who open its page


@dataclass(frozen=True)
class ModelPackage:
    """A model as files, ready to be logged.

    `python_model` is a Python file that calls `mlflow.models.set_model`; `artifacts` are the files or folders
    it finds under `context.artifacts`. The two examples give the signature: inputs are a DataFrame, an array (n, ...)
    or a dict of arrays, and outputs a DataFrame.
    `code_paths` are packages to be shipped with the model. All packages of a run may differ in artifacts, name
    and tags alone. A model of the run that has this name and these tags, unless there are none, is not logged again.
    """

    python_model: Path
    artifacts: Mapping[str, Path]
    input_example: Any
    output_example: "pd.DataFrame"
    pip_requirements: Sequence[str]
    code_paths: Sequence[Path] = ()
    name: str = "model"
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Registration:
    """A registered model that a run's model becomes a version of; the alias `best` is the best version's.

    `value` is what `monitor` was; `mode` says whether less or more of it is better.
    """

    name: str
    monitor: str
    value: float
    mode: Direction


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint's folder, of a name that no other one of its run ever has, and the metrics of its step."""

    path: Path
    step: int
    metrics: Mapping[str, float]


class Checkpoints(Protocol):
    """The checkpoints of a run that are there now."""

    @property
    def scratch(self) -> Path:
        """A folder for files on the way; it is removed when the run is over."""

    def stored(self) -> Sequence[StoredCheckpoint]: ...

    def package(self, checkpoint: StoredCheckpoint, folder: Path) -> ModelPackage | None:
        """The checkpoint as a model, copied into the new `folder`; None if it is no longer there."""


class Tracker(Protocol):
    """Records one run.

    No method raises because the store fails, and only `log_model` and `finish` wait for it: the others hand
    their work to the background. What could not be recorded is told by `finish`.
    """

    @property
    def run_id(self) -> str | None: ...

    @property
    def run_name(self) -> str | None:
        """The name that it goes by; None of a nested run, whose name says something below its parent alone."""

    @property
    def run_url(self) -> str | None:
        """Link to the page of the run."""

    @property
    def told_until(self) -> int:
        """The last step of the curves that an earlier process has told of; -1 of a run that begins."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Record metrics by name. Takes microseconds."""

    def log_tags(self, tags: Mapping[str, str]) -> None: ...

    def log_figure(self, name: str, figure: "Figure") -> None:
        """Record a figure as the artifact `name`, e.g. "figures/loss.png"; do not draw on it afterwards."""

    def log_image(self, name: str, image: Callable[[], bytes]) -> None:
        """Record a picture as the artifact `name`; `image` is called in the background and may wait for it."""

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Record a file or a directory's content under `folder`; it must stay in place until `finish`."""

    def log_text(self, name: str, text: str) -> None: ...

    def log_dataset(self, name: str, digest: str, source: str, schema: Mapping[str, str], context: str) -> None:
        """Record an input of the run: `schema` maps column names to types, `context` is e.g. "training"."""

    def keep(self) -> None:
        """Put the points, tags and texts given so far on the disk, where a resumed run finds them after a death.

        Waits for the disk, not for the store.
        """

    def log_checkpoints(self, checkpoints: Checkpoints) -> None:
        """Make the run's list of checkpoint models that of `checkpoints`: soon, and once more at the end."""

    def register_model(self, model_uri: str, registration: Registration) -> None: ...

    def log_model(self, package: ModelPackage, step: int, metrics: Mapping[str, float]) -> str | None:
        """Record a model and the metrics it reached at `step`; returns its URI, or None if that failed."""

    def open_child(self, name: str) -> str:
        """Begin a run nested below this one, or take the one of this name that an earlier process was killed with
        before it told of it; returns its id. Waits for the store; raises TrackingError.
        """

    def close_child(self, run_id: str, status: RunStatus) -> None:
        """Set the status of a nested run whose own tracker did not, or not as it is."""

    def finish(self, status: RunStatus) -> list[str]:
        """Write everything out and close the run; returns a line for each thing that was not recorded."""
