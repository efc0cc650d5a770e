"""Tags and texts of a run on their way to the store, which are in the run's file until the store has taken them."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock

from mlflow import MlflowClient

from dist_bp.track.mlflow_run import tags_of
from dist_bp.track.waiting import Waiting

TEXTS_LENGTH = 2**20
"""Characters of the texts that are kept, at most: those beyond wait in memory alone."""


class Notes:
    """What is told of a run in words. Each `tag` and `text` returns the task that records it."""

    def __init__(self, client: MlflowClient, waiting: Waiting) -> None:
        self._client = client
        self._waiting = waiting
        self._lock = Lock()  # of what waits: given by one thread, recorded by another, kept by a third
        self._kept: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self.keep(anew=True)

    def tag(self, tags: Mapping[str, str]) -> Callable[[], None]:
        given = dict(tags)
        with self._lock:
            self._waiting.tags |= given

        def record() -> None:
            self._client.log_batch(self._waiting.run_id, tags=tags_of(given))
            self._recorded(self._waiting.tags, given)

        return record

    def text(self, name: str, text: str) -> Callable[[], None]:
        with self._lock:
            others = sum(len(other) for key, other in self._waiting.texts.items() if key != name)
            if others + len(text) <= TEXTS_LENGTH:
                self._waiting.texts[name] = text

        def record() -> None:
            self._client.log_text(self._waiting.run_id, text, name)
            self._recorded(self._waiting.texts, {name: text})

        return record

    def keep(self, anew: bool = False) -> None:
        """Save what waits where that is not saved yet, or `anew`; what cannot be saved waits on in memory."""
        with self._lock:
            now = (dict(self._waiting.tags), dict(self._waiting.texts))
            if anew or now != self._kept:
                with suppress(OSError):
                    self._waiting.save()
                    self._kept = now

    def _recorded(self, waiting: dict[str, str], done: Mapping[str, str]) -> None:
        with self._lock:
            for key in [key for key, value in done.items() if waiting.get(key) == value]:
                del waiting[key]
            saved = any(self._kept)
        if saved:  # a later process would record it again, perhaps over a newer one
            self.keep()
