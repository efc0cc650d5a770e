"""The arena: regions that do not overlap, two versions, memory that has no name."""

import errno
import os
import subprocess
import sys
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.errors import CapacityError, TrainingFailed
from dist_bp.optim.updater import BLOCK
from dist_bp.ps.arena import Arena, Part, Snapshot, VersionGone, assemble
from dist_bp.ps.layout import CHUNK, ArenaLayout


def layout(**changes: object) -> ArenaLayout:
    sizes = {
        "parameters": 100,
        "statistics": 6,
        "optimizer": ("m", "v"),
        "placement": (3,),
        "servers": 2,
        "dtype": "float32",
    }
    return ArenaLayout(**(sizes | changes))  # type: ignore[arg-type]


@given(
    parameters=st.integers(1, 200_000),
    statistics=st.integers(0, 300),
    workers=st.integers(1, 9),
    servers=st.integers(1, 5),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_regions_are_aligned_and_do_not_overlap(
    parameters: int, statistics: int, workers: int, servers: int, dtype: str
) -> None:
    made = layout(parameters=parameters, statistics=statistics, placement=(workers,), servers=servers, dtype=dtype)
    regions = sorted(made.regions.values(), key=lambda region: region.offset)
    assert all(region.offset % 64 == 0 for region in regions)
    for region, following in pairwise(regions):
        assert region.offset + region.nbytes <= following.offset
    assert regions[-1].offset + regions[-1].nbytes <= made.nbytes


@pytest.mark.parametrize("parameters", [10**9, 10**18])
def test_the_size_of_a_large_arena_is_told_without_making_a_list_of_its_chunks(parameters: int) -> None:
    made = layout(parameters=parameters, placement=(1, 1))
    tracemalloc.start()
    try:
        assert made.nbytes > 8 * parameters
        assert tracemalloc.get_traced_memory()[1] < 2**18
    finally:
        tracemalloc.stop()


@given(parameters=st.integers(1, 20 * CHUNK), servers=st.integers(1, 7))
def test_every_element_belongs_to_one_server_and_chunks_do_not_depend_on_their_number(
    parameters: int, servers: int
) -> None:
    made = layout(parameters=parameters, servers=servers)
    owned = [chunk for server in range(servers) for chunk in made.owned_chunks(server, servers)]
    assert [(start, stop) for _, start, stop in owned] == layout(parameters=parameters, servers=1).chunks
    assert owned[0][1] == 0
    assert owned[-1][2] == parameters


@given(parameters=st.integers(1, 20 * CHUNK), servers=st.integers(1, 3), nodes=st.integers(1, 5))
def test_nodes_own_even_slices_that_cover_everything(parameters: int, servers: int, nodes: int) -> None:
    made = layout(parameters=parameters, servers=servers, placement=(2,) * nodes)
    owned = [c for node in range(nodes) for server in range(servers) for c in made.owned_chunks(server, servers, node)]
    assert [number for number, _, _ in owned] == list(range(len(owned)))
    assert owned[0][1] == 0
    assert owned[-1][2] == parameters
    assert all(a[2] == b[1] for a, b in pairwise(owned))
    sizes = [stop - start for start, stop in map(made.slice, range(nodes))]
    assert max(sizes) - min(sizes) <= 2 * BLOCK
    assert all(start % BLOCK == 0 or start == parameters for start, _ in map(made.slice, range(nodes)))


@pytest.mark.parametrize("what", ["parameters", "statistics", "state"])
def test_nodes_that_differ_where_they_must_not_are_told(what: str) -> None:
    parts = [Part(np.zeros(4), np.zeros(2), {"m": np.zeros(4)}, {}) for _ in range(3)]
    assert assemble(3, parts).step == 3
    array = {"parameters": parts[2].parameters, "statistics": parts[2].statistics, "state": parts[2].optimizer["m"]}
    array[what][1] = -0.0
    with pytest.raises(TrainingFailed, match=r"after step 3 nodes 0 and 2 have different .* use nodes of one kind"):
        assemble(3, parts)


def test_a_snapshot_comes_back_as_it_was_written() -> None:
    arena = Arena.create(layout())
    generator = np.random.default_rng(0)
    snapshot = Snapshot(
        step=21,
        parameters=generator.normal(size=100).astype(np.float32),
        statistics=generator.normal(size=6).astype(np.float32),
        optimizer={name: generator.normal(size=100).astype(np.float32) for name in ("m", "v")},
    )
    arena.write(7, snapshot)
    assert arena.version == 7
    back = Snapshot(21, *arena.read(7))
    np.testing.assert_array_equal(back.parameters, snapshot.parameters)
    np.testing.assert_array_equal(back.statistics, snapshot.statistics)
    np.testing.assert_array_equal(back.optimizer["v"], snapshot.optimizer["v"])
    arena.begun[0] = 8  # the next version is being made beside it
    np.testing.assert_array_equal(arena.read(7)[0], snapshot.parameters)
    arena.begun[0] = 9
    with pytest.raises(VersionGone):
        arena.read(7)
    arena.close()


def test_the_committed_step_is_the_one_that_every_server_has() -> None:
    arena = Arena.create(layout(servers=2))
    arena.committed[:] = [5, 4]
    assert arena.version == 4
    arena.close()


def test_two_mappings_share_the_memory_and_leave_no_file() -> None:
    before = set(os.listdir("/dev/shm"))
    arena = Arena.create(layout())
    other = Arena(layout(), os.dup(arena.descriptor))
    arena.gradients[1][0][:] = 3
    np.testing.assert_array_equal(other.gradients[1][0], np.full(100, 3, np.float32))
    assert not arena.gradients[0][0].any()
    assert set(os.listdir("/dev/shm")) == before
    arena.close()
    other.close()


def test_too_little_memory_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(CapacityError, match=r"no room for .* MiB of shared memory"):
        Arena.create(layout())


def test_the_memory_goes_with_the_last_process_however_it_ends() -> None:
    script = (
        "import os, signal\n"
        "from dist_bp.ps.arena import Arena\n"
        "from dist_bp.ps.layout import ArenaLayout\n"
        "arena = Arena.create(ArenaLayout(1000, 0, (), (1,), 1, 'float32'))\n"
        "print(os.readlink(f'/proc/self/fd/{arena.descriptor}'), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ended.returncode == -9
    assert ended.stdout.strip() == "/memfd:dist_bp (deleted)"
