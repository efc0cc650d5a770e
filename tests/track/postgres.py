"""A PostgreSQL server of one's own from Debian's binaries: a folder in /tmp, a loopback port, gone at the end."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "postgres"
INSTALL_SECONDS = 180
COMMAND_SECONDS = 60


@contextmanager
def postgres() -> Iterator[str]:
    """The URI of an empty database; skips the test where PostgreSQL is not installed and cannot be."""
    programs = installed() or install()
    folder = Path(tempfile.mkdtemp(prefix="dist_bp-postgres-"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    try:
        if os.geteuid() == 0:  # PostgreSQL does not run as root
            shutil.chown(folder, USER, USER)
        data, log = str(folder / "data"), str(folder / "log")
        as_user(programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-N", "-E", "UTF8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        as_user(programs / "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            yield f"postgresql+pg8000://{USER}@127.0.0.1:{port}/postgres"
        finally:
            as_user(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def installed() -> Path | None:
    """The folder of the newest version's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


def install() -> Path:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("PostgreSQL is not installed, and only root can install it from Debian's packages")
    command = ["apt-get", "install", "-y", "--no-install-recommends", "postgresql"]
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            timeout=INSTALL_SECONDS,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"PostgreSQL cannot be installed: {error}")
    programs = installed()
    assert programs, "PostgreSQL was installed to another place than /usr/lib/postgresql"
    return programs


def as_user(*command: str | Path) -> None:
    """Runs a command as a user that is not root."""
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*become, *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        timeout=COMMAND_SECONDS,
        text=True,
    )
    assert done.returncode == 0, done.stdout
