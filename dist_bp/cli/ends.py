"""SIGTERM and a closed terminal end a command as Ctrl-C does, except while it takes the signals itself."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

BURST_SECONDS = 1.0
"""In which a further signal says the same: a shell passes on what its terminal has sent."""


@contextmanager
def as_ctrl_c() -> Iterator[None]:
    """In the main thread, a signal raises KeyboardInterrupt with its name; one that is ignored (nohup) stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    command, last = os.getpid(), -BURST_SECONDS

    def receive(number: int, _: FrameType | None) -> None:
        nonlocal last
        if os.getpid() != command:  # a fork, as code of the user's may make and end
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        before, last = last, time.monotonic()
        if last - before > BURST_SECONDS:
            raise KeyboardInterrupt(signal.Signals(number).name)

    mine = [it for it in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(it) is signal.SIG_DFL]
    try:
        for number in mine:
            signal.signal(number, receive)
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)
