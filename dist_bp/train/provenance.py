"""How a checkpoint came about: digests of all that its bits depend on and that it does not hold itself."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

from dist_bp.checkpoint.format import installed
from dist_bp.config.trust import named_code
from dist_bp.foreign import checked
from dist_bp.runtime.base import Runtime
from dist_bp.train.setup import PreparedJob
from dist_bp.train.sources import digests_of_modules, own_digest

KEY = "provenance"
"""In a checkpoint's `loop_state`."""
SHOWN = 12
"""Letters of a digest."""


class Difference(NamedTuple):
    """Something that is not as it was."""

    what: str
    recorded: str
    now: str


@dataclass(frozen=True)
class Provenance:
    """`code` is the digest of dist_bp's sources, `own_code` has those of the user's modules; `configuration` is that of
    the text beside it. `placement` are the workers of each node, `environment` is what the workers run in."""

    code: str
    own_code: dict[str, str]
    configuration: str
    placement: tuple[int, ...]
    environment: dict[str, str]

    @classmethod
    def of(cls, job: PreparedJob, runtime: Runtime) -> Self:
        """What is computed in this runtime."""
        return cls(
            own_digest(),
            digests_of_modules(named_code(job.config)),
            text_digest(job.rendered),
            runtime.plan.placement,
            {"dist_bp": installed(), **runtime.environment()},
        )

    @classmethod
    def read(cls, loop_state: Mapping[str, Any]) -> Self | None:
        """That of a checkpoint; None where it was written without. Raises ValueError."""
        found: Self | None = checked(cls, loop_state[KEY]) if KEY in loop_state else None
        return found

    def state(self) -> dict[str, Any]:
        """For a checkpoint's `loop_state`."""
        return {KEY: asdict(self)}

    def differences(self, now: "Provenance") -> list[Difference]:
        """In what code runs, and in what it runs."""
        found = list(_differing({"code of dist_bp": self.code}, {"code of dist_bp": now.code}, SHOWN))
        found += _differing(self.own_code, now.own_code, SHOWN)
        return found + list(_differing(self.environment, now.environment))


def text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _differing(recorded: Mapping[str, str], now: Mapping[str, str], letters: int | None = None) -> Iterator[Difference]:
    for what in dict.fromkeys([*recorded, *now]):
        before, after = recorded.get(what, "-"), now.get(what, "-")
        if before != after:
            yield Difference(what, before[:letters], after[:letters])
