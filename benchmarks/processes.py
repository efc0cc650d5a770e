"""Contenders in processes of their own that stay alive between blocks and do what they are told over a pipe."""

import importlib
import multiprocessing
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from benchmarks.threads import environment, thread_counts, thread_variables

START_SECONDS = 120.0
ANSWER_SECONDS = 180.0
END_SECONDS = 30.0
TERMINATE_SECONDS = 5.0
NOTHING: Mapping[str, str] = MappingProxyType({})


class BenchmarkError(Exception):
    """A contender failed, or is not what it must be to be compared."""


class Group:
    """The processes of one contender. Each makes `factory(rank=, size=, **arguments)`, a context manager, and then
    calls its methods; `factory` is `module:Name`. `threads` is the number of threads of each process's libraries,
    `variables` is added to their environment."""

    def __init__(
        self, factory: str, size: int, threads: int, arguments: dict[str, Any], variables: Mapping[str, str] = NOTHING
    ) -> None:
        self.factory = factory
        self._threads = threads
        self._connections: list[Connection] = []
        self._processes: list[Any] = []
        context = multiprocessing.get_context("spawn")
        try:
            with environment(thread_variables(threads) | dict(variables)):
                for rank in range(size):
                    ours, theirs = context.Pipe()
                    given = {"rank": rank, "size": size, **arguments}
                    process = context.Process(target=_serve, args=(theirs, factory, given), daemon=True)
                    process.start()
                    theirs.close()
                    self._connections.append(ours)
                    self._processes.append(process)
            for rank in range(size):
                self._answer(rank, START_SECONDS)
        except BaseException:
            self.close()
            raise

    def ask(self, method: str, *arguments: Any, members: Sequence[int] | None = None) -> list[Any]:
        """Calls the method in all members at once and returns their results. Raises BenchmarkError."""
        chosen = range(len(self._processes)) if members is None else members
        for rank in chosen:
            self._connections[rank].send((method, arguments))
        return [self._answer(rank, ANSWER_SECONDS) for rank in chosen]

    def timed(self, method: str, *arguments: Any, members: Sequence[int] | None = None) -> float:
        """Seconds from the question to the last answer."""
        started = time.perf_counter()
        self.ask(method, *arguments, members=members)
        return time.perf_counter() - started

    def threads(self) -> dict[str, int]:
        """The threads of every library in every process. Raises BenchmarkError where they are not as told."""
        found: dict[str, int] = {}
        for rank, counts in enumerate(self.ask("threads")):
            for where, count in counts.items():
                found[f"{rank}: {where}"] = count
        wrong = {where: count for where, count in found.items() if count != self._threads}
        if wrong or not found:
            raise BenchmarkError(f"{self.factory}: not {self._threads} threads each, but {wrong or 'none found'}")
        return found

    def close(self) -> None:
        for connection in self._connections:
            with suppress(OSError):
                connection.send(None)
        for process in self._processes:
            process.join(END_SECONDS)
            if process.is_alive():
                process.terminate()
                process.join(TERMINATE_SECONDS)
            if process.is_alive():
                process.kill()
                process.join(TERMINATE_SECONDS)
        for connection in self._connections:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, rank: int, seconds: float) -> Any:
        connection = self._connections[rank]
        try:
            if not connection.poll(seconds):
                raise BenchmarkError(f"{self.factory}, process {rank}: no answer for {seconds:.0f} s")
            good, value = connection.recv()
        except EOFError:
            raise BenchmarkError(f"{self.factory}, process {rank}: it died") from None
        if not good:
            raise BenchmarkError(f"{self.factory}, process {rank}:\n{value}")
        return value


class Contender:
    """What a process of a group hosts; subclasses add the methods that are measured."""

    _resident = 0

    def threads(self) -> dict[str, int]:
        return thread_counts()

    def mark(self) -> None:
        """From now on `grown` counts."""
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak, see proc(5)
        self._resident = _resident("VmRSS")

    def grown(self) -> int:
        """By how many bytes the resident memory has been at most above that of the mark."""
        return _resident("VmHWM") - self._resident

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _serve(connection: Connection, factory: str, arguments: dict[str, Any]) -> None:
    try:
        module, _, name = factory.partition(":")
        with getattr(importlib.import_module(module), name)(**arguments) as contender:
            connection.send((True, None))
            while (message := connection.recv()) is not None:
                method, values = message
                connection.send((True, getattr(contender, method)(*values)))
    except (EOFError, KeyboardInterrupt):
        pass
    except BaseException:
        with suppress(OSError):
            connection.send((False, traceback.format_exc()))
