"""Processes are known by id and start time."""

import os
import subprocess
import sys
from pathlib import Path

from dist_bp.processes import alive, descendants, known, mentioning, start_time, working_in

SLEEP = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]


def test_a_process_is_found_and_ends(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    environment = {**os.environ, "MARK": str(tmp_path)}
    with subprocess.Popen(
        [*SLEEP, str(inner)], cwd=inner, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        pid = process.pid
        title = Path(f"/proc/{pid}/comm").read_text()[:4]
        assert pid in descendants(os.getpid())
        assert pid in mentioning(str(inner))
        assert mentioning(f"MARK={tmp_path}", "environ") == {pid}
        assert working_in(tmp_path, title) == {pid}
        assert working_in(tmp_path, "other") == working_in(tmp_path / "other", title) == set()
        found = known([pid])
        assert alive(found) == {pid}
        assert alive({pid: "0"}) == set()
    assert start_time(pid) is None
    assert known([pid]) == {}
    assert alive(found) == set()
