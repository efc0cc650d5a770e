"""Within a job of the Ray Jobs API: which one it is, and what it tells whoever started it."""

import json
import os
import shlex
from contextlib import suppress
from pathlib import Path

from dist_bp.messages import without_password
from dist_bp.typed import command, typed, with_settings

RUN_FILE = "DIST_BP_RUN_FILE"
"""Environment variable: the file in which a parent finds the run that its child trains, and the next child, too."""

TYPED = "DIST_BP_TYPED"
"""Environment variable of a job: the command line that has submitted it."""

_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # Ray sets it for the driver of a job, and for no other process
_SECONDS = 5


def in_job() -> bool:
    """Whether this process is the driver of a Ray job, or started by it."""
    return _JOB in os.environ


def again(resume: str, *settings: str) -> str:
    """The command, quoted, that goes on with a run or a sweep, with these `key=value`: what people typed, once more.

    A job's own command line is not theirs: it goes on by `submit`.
    """
    words = with_settings(retyped(), *settings)
    if not words:
        return f"resume={resume!r}"  # in Python
    return f"`dist-bp {shlex.join([*words, '--resume', resume])}`" if in_job() else command(*words, "--resume", resume)


def retyped() -> list[str]:
    """The command line as it can be typed again, without passwords; empty where no command runs."""
    words = [without_password(word) for word in typed()]
    if not in_job():
        return words
    if submitted := os.environ.get(TYPED):
        return shlex.split(submitted)
    return ["submit", *(["--sweep"] if words[0] == "sweep" else []), *words[1:]] if words else []


def submission_id() -> str | None:
    """The submission id of the Ray job that this process belongs to; None outside of one."""
    with suppress(ValueError, AttributeError):
        metadata = json.loads(os.environ.get(_JOB, "{}")).get("metadata") or {}
        return metadata.get("job_submission_id")
    return None


def job_tags() -> dict[str, str]:
    """What an MLflow run tells of the Ray job that trains it."""
    name = submission_id()
    return {"ray.submission_id": name} if name else {}


def announce(run_id: str, folder: Path) -> None:
    """Tells the parent and the job's metadata which MLflow run this is; never fails the run."""
    with suppress(Exception):
        if path := os.environ.get(RUN_FILE):
            Path(path).write_text(json.dumps({"run_id": run_id, "folder": str(folder.resolve())}), encoding="utf-8")
    with suppress(Exception):
        if name := submission_id():
            _add_metadata(name, {"mlflow_run_id": run_id})


def announce_failure(cause: str) -> None:
    """Tells the parent why this process ends; never raises."""
    with suppress(Exception):
        if path := os.environ.get(RUN_FILE):
            failure_file(Path(path)).write_text(cause, encoding="utf-8")


def failure_file(run_file: Path) -> Path:
    """Where a child says why it failed, beside the file of the run."""
    return run_file.with_suffix(".failure")


def announced() -> str | None:
    """The MLflow run that an earlier child of this parent has announced."""
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads(Path(os.environ[RUN_FILE]).read_text(encoding="utf-8"))["run_id"])
    return None


def _add_metadata(job: str, values: dict[str, str]) -> None:
    """The Jobs API has no way to change a job's metadata, so this changes the record behind it."""
    from ray.dashboard.modules.job.common import GcsClient, JobInfoStorageClient

    key, namespace = JobInfoStorageClient.JOB_DATA_KEY.format(job_id=job).encode(), b"job"
    records = GcsClient(address=os.environ["RAY_ADDRESS"])
    record = json.loads(records.internal_kv_get(key, namespace, timeout=_SECONDS))
    record["metadata"] = {**(record.get("metadata") or {}), **values}
    records.internal_kv_put(key, json.dumps(record).encode(), True, namespace, timeout=_SECONDS)
