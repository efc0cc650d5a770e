"""What a run's configuration does not tell of how it came about: where it was resumed, and what was changed there."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

from dist_bp.config import JobConfig, flatten
from dist_bp.messages import without_password

HARMLESS = ("name", "data.prepared", "checkpoint.", "failure.", "tracking.", "ray.")
"""Settings that say nothing of the parameters that come out."""

ORIGIN = "dist_bp.origin"
"""The tag with the run, and the step, that a run began with."""

CHANGED = "dist_bp.changed_at_step_"
"""The tag with the settings that were changed where a run was resumed; the step follows."""

UNSET = "not set"


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
    """`origin` is the run and step that the run began with, empty where it began with nothing."""

    origin: str = ""
    changes: tuple[Change, ...] = ()

    @classmethod
    def of(cls, loop_state: Mapping[str, Any]) -> "Course":
        """The course of a checkpoint's run up to there."""
        origin, changes = loop_state.get("course", ("", ()))
        return cls(origin, tuple(Change(*change) for change in changes))

    def state(self) -> Any:
        """For a checkpoint's `loop_state`."""
        return [self.origin, [astuple(change) for change in self.changes]]

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
