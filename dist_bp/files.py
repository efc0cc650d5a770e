"""Files from elsewhere, opened with care: nothing that a path may name keeps a reader waiting, or fills the memory.

And what it takes that files of our own are still there after a loss of power.

It imports nothing beyond the standard library, for processes that must start fast.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_file(path: Path | str, most: int | None = None) -> BufferedReader:
    """A regular file, open for reading.

    Raises OSError, also where the path has a NUL character, is no regular file (reading a pipe would wait, a device
    never end), or holds more than `most` bytes.
    """
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "its name holds a NUL character")
    _check(os.stat(path), most)
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    try:
        _check(os.fstat(file.fileno()), most)
    except OSError:
        file.close()
        raise
    return file


def read_file(path: Path | str, most: int) -> bytes:
    """The content of a regular file of at most so many bytes; raises OSError as `open_file`."""
    with open_file(path, most) as file:
        return file.read(most)


def fsync_directory(directory: Path) -> None:
    """Makes the names of its files durable; raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(status: os.stat_result, most: int | None) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(status.st_mode):
        kind = "a pipe" if stat.S_ISFIFO(status.st_mode) else "a device or a socket"
        raise OSError(errno.EINVAL, f"it is {kind}, not a file")
    if most is not None and status.st_size > most:
        raise OSError(errno.EFBIG, f"it holds {status.st_size:,} bytes, more than the {most:,} that it may")
