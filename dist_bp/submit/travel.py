"""The files that a configuration names, on the way to a job that runs in another folder or on another machine."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dist_bp.component import options
from dist_bp.components import PREPROCESSORS, SOURCES, Kind
from dist_bp.config import JobConfig
from dist_bp.config.component import Custom
from dist_bp.config.run import STORE_VARIABLE, TrackingConfig
from dist_bp.messages import without_password
from dist_bp.processes import mentioning
from dist_bp.submit.address import LOOPBACK
from dist_bp.track.store import is_sqlite, resolve_uri, sqlite_path


@dataclass
class Travel:
    """What a configuration needs to run elsewhere: overrides, or what is wrong with that, a line each."""

    overrides: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def shares_files(session: str) -> bool:
    """Whether a cluster's head runs on this machine, told by its session's name in the command lines of processes.

    An address cannot tell: a tunnel to a remote cluster begins on this machine, too.
    """
    return bool(mentioning(session))


def kept_here(config: JobConfig) -> list[str]:
    """Patterns, as in .gitignore, of the configuration's folders and store within this folder that are not sent."""
    here = Path.cwd()
    kept = [Path(name).resolve() for name in (config.checkpoint.directory, config.data.prepared)]
    uri = resolve_uri(config.tracking.tracking_uri)
    if is_sqlite(uri):
        store = sqlite_path(uri).resolve()
        kept += [store.with_name(store.name + end) for end in ("", "-wal", "-shm", "-journal")]
    return [f"/{path.relative_to(here)}" for path in kept if here in path.parents]


def on_this_machine(config: JobConfig) -> Travel:
    """For a cluster that shares this machine's files: relative paths become absolute."""
    tracking = config.tracking
    places = {"checkpoint.directory": config.checkpoint.directory, "data.prepared": config.data.prepared}
    places |= dict(data_files(config))
    if tracking.artifact_location and not urlsplit(tracking.artifact_location).scheme:
        places["tracking.artifact_location"] = tracking.artifact_location
    values = {key: str(Path(place).absolute()) for key, place in places.items()}
    travel = Travel(overrides=_overrides(values))
    if is_sqlite(uri := resolve_uri(tracking.tracking_uri)):
        travel.overrides += _overrides({"tracking.tracking_uri": uri})
    else:
        _send_store(tracking, travel)
    return travel


def _overrides(values: dict[str, str]) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def _send_store(tracking: TrackingConfig, travel: Travel) -> None:
    """Names the store of this environment to the job; a password everyone would see there."""
    uri = tracking.tracking_uri
    if tracking.from_environment and uri == without_password(uri):
        travel.overrides += _overrides({"tracking.tracking_uri": uri})
    elif tracking.from_environment:
        travel.warnings.append(
            f"{STORE_VARIABLE} is not sent with the job, for its password would be seen: set it where the cluster runs"
        )


def to_another_machine(config: JobConfig, address: str, retries: int) -> Travel:
    """For a remote cluster, which has none of this machine's files but those that are sent."""
    travel = Travel()
    uri = config.tracking.tracking_uri
    if is_sqlite(uri):
        travel.problems.append(
            f"tracking.tracking_uri: {uri} is a file of one machine, which the cluster at {address} cannot share: "
            "start `mlflow server --host HOST` where both reach it and set tracking.tracking_uri=http://HOST:5000"
        )
    elif urlsplit(masked := without_password(uri)).hostname in LOOPBACK:
        travel.warnings.append(f"tracking.tracking_uri: {masked} means the cluster's own machine, not this one")
    if not is_sqlite(uri):
        _send_store(config.tracking, travel)
    travel.problems += [
        f"{key}: {path} lies on this machine, and data does not travel with the job: "
        "put it where the cluster's nodes can read it and give its absolute path"
        for key, path in data_files(config)
        if not Path(path).is_absolute()
    ]
    if not Path(config.checkpoint.directory).is_absolute():
        text = (
            f"checkpoint.directory: {config.checkpoint.directory} would lie in the job's own folder and vanish "
            "with it: give an absolute path that the cluster's nodes share"
        )
        (travel.problems if retries else travel.warnings).append(text)
    return travel


def data_files(config: JobConfig) -> Iterator[tuple[str, str]]:
    """Keys and paths of the data's files; of a function of the user's own, the options that name something there."""
    source = config.data.source
    if isinstance(source, Custom):
        for name, value in source.options.items():
            if isinstance(value, str) and Path(value).exists():
                yield f"data.source.{name}", value
    else:
        yield from _files_of(SOURCES, source, "data.source")
    for place, step in enumerate(config.data.preprocess):
        yield from _files_of(PREPROCESSORS, step, f"data.preprocess.{place}")


def _files_of(kind: Kind, section: Any, key: str) -> Iterator[tuple[str, str]]:
    for option in options(kind.find(section.type)):
        if option.is_file and (path := getattr(section, option.name)):
            yield f"{key}.{option.name}", path
