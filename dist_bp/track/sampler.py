"""Readings taken at regular intervals in the background."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress


class Sampler:
    """Calls `read` every `interval` seconds, and once more at the end, and passes the values to `log`.

    Args:
        read: measures since its last call; the first result is thrown away. An error ends the sampling:
            a job does not fail because its machine cannot be measured.
        log: takes the number of the sample and the values.
        first_step: the number of the first sample.
    """

    def __init__(
        self,
        read: Callable[[], Mapping[str, float]],
        log: Callable[[int, Mapping[str, float]], None],
        *,
        interval: float,
        first_step: int = 0,
    ) -> None:
        self._read = read
        self._log = log
        self._interval = interval
        self._step = first_step
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="system-metrics", daemon=True)
        self._thread.start()

    def stop(self, deadline: float = 1.0) -> None:
        """Take the last sample and end, within `deadline` seconds."""
        self._stop.set()
        self._thread.join(deadline)

    def _run(self) -> None:
        with suppress(Exception):
            self._read()
            while not self._stop.is_set():
                self._stop.wait(self._interval)
                self._log(self._step, self._read())
                self._step += 1
