"""What a container may use, read from files as the kernel shows them."""

import math
from pathlib import Path

import pytest

from dist_bp import control_group
from dist_bp.control_group import cpu_limit, memory_left
from dist_bp.runtime.cluster import this_machine

CASES = {
    "no limit": ({"cpu.max": "max 100000", "memory.max": "max", "memory.current": "5"}, "0::/", math.inf, math.inf),
    "half a processor": ({"cpu.max": "50000 100000"}, "0::/", 0.5, math.inf),
    "its own group": ({"a/b/cpu.max": "300000 100000", "a/cpu.max": "max 100000"}, "0::/a/b", 3, math.inf),
    "the group around it": ({"a/b/cpu.max": "300000 100000", "a/cpu.max": "150000 100000"}, "0::/a/b", 1.5, math.inf),
    "a group that is not to be seen": ({"cpu.max": "200000 100000"}, "0::/docker/f00", 2, math.inf),
    "memory": ({"a/memory.max": "1000", "a/memory.current": "400", "memory.max": "max"}, "0::/a", math.inf, 600),
    "version 1": (
        {
            "cpu,cpuacct/a/cpu.cfs_quota_us": "250000",
            "cpu,cpuacct/a/cpu.cfs_period_us": "100000",
            "cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "cpu,cpuacct/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "1000",
            "memory/memory.usage_in_bytes": "100",
        },
        "4:cpu,cpuacct:/a\n3:memory:/not/here\n1:name=systemd:/a:b\n0::/",
        2.5,
        900,
    ),
    "nothing": ({}, "", math.inf, math.inf),
    "nonsense": ({"cpu.max": "x", "memory.max": ""}, "0::/", math.inf, math.inf),
}


@pytest.mark.parametrize("case", CASES)
def test_limits(tmp_path: Path, case: str) -> None:
    files, group, cpus, memory = CASES[case]
    for name, content in {
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
        "proc/self/cgroup": group,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    assert cpu_limit(tmp_path) == cpus
    assert memory_left(tmp_path) == memory


@pytest.mark.parametrize(("limit", "cpus"), [(0.3, 1), (1.0, 1), (1.9, 1), (2.0, 2), (3.5, 3), (math.inf, 4), (100, 4)])
def test_whole_processors_are_given_to_workers(monkeypatch: pytest.MonkeyPatch, limit: float, cpus: int) -> None:
    """Half a one would make a worker wait for its next turn, and with it all others."""
    monkeypatch.setattr(control_group.os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(control_group, "cpu_limit", lambda: limit)
    assert control_group.local_cpus() == cpus
    assert this_machine().cpus == cpus
