"""The course of a run that is resumed: what may not be another than before, and where what else was changed."""

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from pydantic import BaseModel

from dist_bp.build import moving_context
from dist_bp.checkpoint import Checkpoint
from dist_bp.config import JobConfig, flatten, stored_config
from dist_bp.errors import CheckpointError
from dist_bp.messages import without_password

KEPT = (
    "seed",
    "loss",
    "train.batch_size",
    "train.group_size",
    "train.accumulate",
    "train.shuffle",
    "train.group_by_length",
    "parameter_server.mode",
)
"""Settings that a resumed run must share with its checkpoint."""

HARMLESS = (
    "name",
    "data.prepared",
    "checkpoint.",
    "failure.max_failures",
    "failure.snapshot_seconds",
    "failure.hang_seconds",
    "failure.spare_workers",
    "parameter_server.timeout_seconds",
    "parameter_server.encrypt",
    "scaling.min_workers",
    "tracking.",
    "ray.",
)
"""Settings that say nothing of the parameters that come out."""

SAME_STEPS = (*HARMLESS, "scaling.", "train.epochs", "train.stop.")
"""Settings that change, but for rounding, nothing of a step that is made all the same."""

ORIGIN = "dist_bp.origin"
"""The tag with the run, and the step, that a run began with."""

CHANGED = "dist_bp.changed_at_step_"
"""The tag with the settings that were changed where a run was resumed; the step follows."""

UNSET = "not set"

CourseFacts = tuple[str, tuple[tuple[int, str, str, str], ...]]
"""A course as a checkpoint has it: origin, and the fields of each change."""


@dataclass(frozen=True)
class Change:
    """A setting that is another since the run was resumed at `step`."""

    step: int
    key: str
    before: str
    now: str

    @property
    def harmless(self) -> bool:
        return self.key.startswith(HARMLESS)


@dataclass(frozen=True)
class Course:
    """What a run's configuration does not tell of how it came about: where it was resumed, and what was changed there.

    `origin` is the run and step that the run began with, empty where it began with nothing.
    """

    origin: str = ""
    changes: tuple[Change, ...] = ()

    @classmethod
    def of(cls, facts: CourseFacts) -> "Course":
        """The course of a checkpoint's run up to there."""
        origin, changes = facts
        return cls(origin, tuple(Change(*change) for change in changes))

    def state(self) -> CourseFacts:
        """For a checkpoint."""
        return self.origin, tuple((one.step, one.key, one.before, one.now) for one in self.changes)

    def resumed(self, step: int, before: JobConfig, now: JobConfig) -> "Course":
        """As it goes on at `step` with the settings `now`."""
        old, new = (_texts(config) for config in (before, now))
        changes = [
            Change(step, key, old.get(key, UNSET), new.get(key, UNSET))
            for key in dict.fromkeys([*new, *old])
            if old.get(key, UNSET) != new.get(key, UNSET)
        ]
        return replace(self, changes=(*self.changes, *changes))

    @property
    def told_by_configuration(self) -> bool:
        """Whether a run of the last configuration, begun anew, takes the same course."""
        return all(change.harmless for change in self.changes)

    def turned_at(self, step: int) -> bool:
        """Whether what was changed at a step makes the values of the next steps others."""
        return any(change.step == step and not change.key.startswith(SAME_STEPS) for change in self.changes)

    def tags(self) -> dict[str, str]:
        tags = {ORIGIN: self.origin} if self.origin else {}
        return tags | {f"{CHANGED}{step}": text for step, text in self.texts().items()}

    def texts(self) -> dict[int, str]:
        """What was changed, by step."""
        texts: dict[int, list[str]] = {}
        for change in self.changes:
            texts.setdefault(change.step, []).append(f"{change.key} {change.before} -> {change.now}")
        return {step: ", ".join(parts) for step, parts in texts.items()}


def _texts(config: JobConfig) -> dict[str, str]:
    return {key: without_password(str(value)) for key, value in flatten(config).items()}


def check_same_course(checkpoint: Checkpoint, config: JobConfig) -> None:
    """Raises CheckpointError where the rest of a run with this configuration would not go on from where the checkpoint
    stands."""
    before, now = _settings(stored_config(checkpoint.config, "the checkpoint's config.yaml")), _settings(config)
    problems = [
        f"{key} is {_shown(before.get(key))} in the checkpoint, {_shown(now.get(key))} in the configuration"
        for key in before | now
        if before.get(key) != now.get(key)
    ]
    if problems:
        raise CheckpointError([*problems, "resume with the settings of that run, or start a new run"])


def _settings(config: JobConfig) -> dict[str, Any]:
    """What the course of a training depends on, by key. Layers are compared as sections and not as text, so that one
    that has gained an option since is still the same with that option's default."""
    settings = {key: attrgetter(key)(config) for key in KEPT}
    settings["data.source.shift"] = moving_context(config) is not None
    return settings | {f"model.layers.{index}": layer for index, layer in enumerate(config.model.layers)}


def _shown(value: object) -> str:
    if value is None:
        return "not there"
    return value.model_dump_json(exclude_defaults=True) if isinstance(value, BaseModel) else str(value)
