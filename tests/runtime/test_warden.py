"""The warden ends what it was told to guard, and nothing else."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dist_bp.processes import descendants, mentioning, patience, start_time
from dist_bp.runtime.warden import Warden

DRIVER = """
import subprocess, sys, time
from pathlib import Path
from dist_bp.runtime.warden import Warden
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
earlier = subprocess.Popen(sleep)
with Warden() as warden:
    warden.guard(Path(sys.argv[1]))
    warden.run([sys.executable, "-c", "import os; open(os.environ['FILE'], 'w').close()"], {"FILE": "told"})
    guarded = subprocess.Popen(sleep)
    time.sleep(0.5)
    warden.settle()
    time.sleep(0.5)
    later = subprocess.Popen(sleep)
    print(earlier.pid, guarded.pid, later.pid, flush=True)
    time.sleep(600 if sys.argv[2] == "wait" else 0)
print("left", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("heard", [True, False])
def test_after_a_kill_the_guarded_process_and_folder_are_gone_and_others_are_not(workplace: Path, heard: bool) -> None:
    """Also where nobody hears any more what the warden says of it."""
    folder = workplace / "remains"
    folder.mkdir()
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", DRIVER, str(folder), "wait"]
    driver = subprocess.Popen(command, stdout=pipe, stderr=None if heard else pipe, text=True)
    assert driver.stdout
    if driver.stderr:
        driver.stderr.close()
    earlier, guarded, later = (psutil.Process(int(pid)) for pid in driver.stdout.readline().split())
    try:
        driver.kill()
        assert not psutil.wait_procs([guarded], timeout=10)[1]
        deadline = time.monotonic() + 10
        while folder.exists() or not Path("told").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert earlier.is_running()
        assert later.is_running()
    finally:
        earlier.kill()
        later.kill()
        driver.stdout.close()
        driver.wait(10)


def test_leaving_ends_what_is_left_without_the_last_command(workplace: Path) -> None:
    folder = workplace / "remains"
    folder.mkdir()
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(folder), "go on"], stdout=subprocess.PIPE, text=True)
    assert driver.stdout
    pids = [int(pid) for pid in driver.stdout.readline().split()]
    try:
        assert driver.stdout.readline() == "left\n"
        assert start_time(pids[1]) is None
        assert not folder.exists()
        assert not Path("told").exists()
        assert start_time(pids[0])
        assert start_time(pids[2])
    finally:
        for pid in (pids[0], pids[2]):
            os.kill(pid, 9)
        driver.kill()
        driver.communicate()


def test_what_started_just_before_the_kill_is_known_by_the_folder_in_its_command(workplace: Path) -> None:
    folder = workplace / "remains"
    folder.mkdir()
    script = DRIVER.replace("later = subprocess.Popen(sleep)", "later = subprocess.Popen([*sleep, sys.argv[1]])")
    driver = subprocess.Popen([sys.executable, "-c", script, str(folder), "wait"], stdout=subprocess.PIPE, text=True)
    assert driver.stdout
    earlier, guarded, later = (psutil.Process(int(pid)) for pid in driver.stdout.readline().split())
    try:
        driver.kill()
        assert not psutil.wait_procs([guarded, later], timeout=10)[1]
        assert earlier.is_running()
    finally:
        earlier.kill()
        driver.communicate()


def test_a_warden_goes_with_its_driver_and_knows_only_descendants() -> None:
    before = descendants(os.getpid())
    with Warden():
        deadline = time.monotonic() + patience(5)  # a process has no command line yet in the moment in which it begins
        while not (found := (descendants(os.getpid()) - before) & mentioning("dist_bp.runtime.guard")):
            assert time.monotonic() < deadline
        (warden,) = found
        assert start_time(warden)
        assert os.getppid() not in descendants(os.getpid())
        assert {os.getpid(), warden} <= descendants(os.getppid())
    assert start_time(warden) is None
    assert start_time(2**22 + 1) is None


NESTED = """
import subprocess, sys, tempfile, time
from pathlib import Path
from dist_bp.runtime.warden import Warden
INNER = "import tempfile, time; from dist_bp.runtime.warden import Warden\\n" \\
    "with Warden() as warden, warden.temporary_files():\\n" \\
    "    warden.run(['touch', 'told by the inner'])\\n" \\
    "    print(tempfile.mkdtemp(), flush=True); time.sleep(600)"
with Warden() as warden:
    warden.guard(Path(sys.argv[1]))
    warden.run(["touch", "told by the outer"])
    inner = subprocess.Popen([sys.executable, "-c", INNER])
    time.sleep(600)
"""


def test_what_a_guarded_process_has_its_own_warden_for_is_removed(workplace: Path) -> None:
    """As for a trial of a sweep that is killed: its warden is among the processes that the sweep's warden ends."""
    command = [sys.executable, "-c", NESTED, str(workplace / "remains")]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert driver.stdout
    temporary = Path(driver.stdout.readline().strip()).parent
    assert temporary.name.startswith("dist_bp-")
    time.sleep(1)
    driver.kill()
    driver.communicate()
    deadline = time.monotonic() + 20
    while temporary.exists() or not Path("told by the outer").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not Path("told by the inner").exists(), "the outer one closes the whole"
