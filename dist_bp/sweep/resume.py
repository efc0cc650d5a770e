"""Which sweep is meant: a new one, or an earlier one that goes on as it was begun."""

import json
import time
from pathlib import Path
from typing import Any

from dist_bp.config import JobConfig, stored_config
from dist_bp.errors import ConfigError, UserError
from dist_bp.foreign import file_name
from dist_bp.messages import plural, without_passwords
from dist_bp.runtime.ray_job import again
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.journal import JOURNAL, Journal, Record
from dist_bp.typed import command

CONFIG = "sweep.yaml"
FREE = ("num_samples", "max_concurrent", "max_failures")
"""Settings of a sweep that may be others when it is resumed."""


def sweep_name(job: SweepJob, resume: str | None, name: str | None) -> str:
    """What the sweep is called. Raises UserError for what cannot be the name of a folder."""
    given = [(option, text) for option, text in (("--resume", resume), ("--name", name)) if text is not None]
    if len(given) == 2:
        raise UserError("--name is for a new sweep: give --resume NAME alone")
    for option, text in given:
        try:
            return file_name(text)
        except ValueError as error:
            raise UserError(f"{option}: {error}") from error
    return f"{job.config.name}-{time.strftime('%Y%m%d-%H%M%S')}"


def read_record(job: SweepJob, folder: Path, total: int, resumed: bool) -> Record | None:
    """What the sweep to go on with has done, None of a new one; `total` is how many trials it is to have.

    Raises UserError where it is not this one, or a new one is there already.
    """
    if resumed:
        return _earlier(job, folder, total)
    if (folder / JOURNAL).exists():
        name = folder.name
        raise UserError(f"there is a sweep {name} already: go on with {again(name)}, or choose another --name")
    return None


def _earlier(job: SweepJob, folder: Path, total: int) -> Record:
    """What a killed or finished sweep has done."""
    record = Journal(folder).read()
    try:
        before = stored_config(record.config, folder / JOURNAL)
    except ConfigError as error:
        raise ConfigError(
            f"the configuration in {folder / JOURNAL} is not valid any more: begin a new sweep"
        ) from error
    now, then = _course(job.config), _course(before)
    if keys := [key for key in now if now[key] != then[key]]:
        raise ConfigError(
            f"the sweep {folder.name} was begun with another configuration (differs in {', '.join(keys)}): "
            f"use its own, {command('sweep', str(folder / CONFIG), '--resume', folder.name)}, or begin a new sweep"
        )
    if len(record.trials) > total:
        raise ConfigError(
            f"sweep.num_samples: the sweep {folder.name} has {plural(len(record.trials), 'trial')} already: "
            "give at least as many"
        )
    return record


def _course(config: JobConfig) -> dict[str, object]:
    """What must stay as it is. Files may be called by another path: a job on a cluster calls them by absolute ones.

    So may the store, and one without the sweep's runs is refused when they are looked for. Passwords are not kept.
    """
    kept = config.model_dump_json(exclude={"ray": True, "tracking": {"tracking_uri"}})
    data: dict[str, Any] = without_passwords(json.loads(kept))
    for section, key in ((data["checkpoint"], "directory"), (data["data"], "prepared")):
        section[key] = str(Path(section[key]).absolute())
    source = data["data"]["source"]
    for key, value in source.items():
        if isinstance(value, str) and Path(value).exists():
            source[key] = str(Path(value).absolute())
    data["sweep"] = {key: value for key, value in (data["sweep"] or {}).items() if key not in FREE}
    return data
