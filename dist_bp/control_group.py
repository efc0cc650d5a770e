"""What a container's control group (cgroup v2 or v1) leaves of the machine's processors and memory."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def cpu_limit(root: Path = ROOT) -> float:
    """Processors' worth of time that this process may use; infinite where nothing limits it."""
    shares = [_share(_read(folder / "cpu.max")) for folder in _folders(root, "")]
    for folder in _folders(root, "cpu"):
        shares.append(_share(f"{_read(folder / 'cpu.cfs_quota_us')} {_read(folder / 'cpu.cfs_period_us')}"))
    return min(shares, default=math.inf)


def local_cpus() -> int:
    """Processors that this process may use: of those that it sees and whose time a container's limit gives it."""
    return max(int(min(len(os.sched_getaffinity(0)), cpu_limit())), 1)


def memory_left(root: Path = ROOT) -> float:
    """Bytes that this process and those beside it may still take; infinite where nothing limits them."""
    left = [_number(_read(f / "memory.max")) - _number(_read(f / "memory.current"), 0.0) for f in _folders(root, "")]
    for folder in _folders(root, "memory"):
        used = _number(_read(folder / "memory.usage_in_bytes"), 0.0)
        left.append(_number(_read(folder / "memory.limit_in_bytes")) - used)
    return min(left, default=math.inf)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Those of this process's group and of the groups it is in; of version 2 where no controller is named.

    Where the group is not to be seen, as in a container, the top of what is there stands for it.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        group = top / path.lstrip("/")
        while group != top and group.is_relative_to(top):
            yield group
            group = group.parent
        yield top


def _share(text: str) -> float:
    """Processors, of a quota and a period: 150000 100000 is one and a half."""
    quota, _, period = (_number(part) for part in text.partition(" "))
    return quota / period if 0 < quota < math.inf and 0 < period < math.inf else math.inf


def _number(text: str, otherwise: float = math.inf) -> float:
    return float(text) if text.strip().isdecimal() else otherwise


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
