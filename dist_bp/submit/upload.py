"""What of the working directory is sent to the cluster, and how: one zip file that is named after its content."""

import hashlib
import io
import os
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dist_bp.errors import SubmitError
from dist_bp.messages import plural
from dist_bp.submit.client import JobsClient

NEVER = {".git", "__pycache__", "node_modules", ".dist_bp", ".ipynb_checkpoints"}
CACHE_MARKS = ("CACHEDIR.TAG", "pyvenv.cfg")
NOT_AT_THE_TOP = ("data", "mlartifacts", "mlruns", "mlflow.db*")
NAMED = 5


@dataclass(frozen=True)
class Upload:
    """Files below `root` by relative path, with their sizes in bytes."""

    root: Path
    files: dict[str, int]

    @property
    def nbytes(self) -> int:
        return sum(self.files.values())

    def __str__(self) -> str:
        """`12 files, 34 kB: configs/ 4, train.py`."""
        places: dict[str, int] = defaultdict(int)
        for path in self.files:
            top, below, _ = path.partition("/")
            places[top + below] += 1
        shown = ", ".join(f"{place} {count}" if place.endswith("/") else place for place, count in places.items())
        return f"{plural(len(self.files), 'file')}, {size(self.nbytes)}: {shown}"

    def check(self, limit: int) -> None:
        """Raises SubmitError, naming the largest files, where this is more than Ray takes."""
        if self.nbytes <= limit:
            return
        largest = sorted(self.files, key=lambda path: -self.files[path])[:NAMED]
        named = ", ".join(f"{path} ({size(self.files[path])})" for path in largest)
        raise SubmitError(
            f"the working directory {self.root} holds {size(self.nbytes)} in {plural(len(self.files), 'file')}, "
            f"Ray takes {size(limit)}; the largest are {named}: move them elsewhere or list them in .rayignore"
        )

    def pack(self) -> bytes:
        """A zip file: the same bytes for the same content."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(self.files):
                entry = zipfile.ZipInfo(path)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = ((self.root / path).stat().st_mode & 0xFFFF) << 16
                archive.writestr(entry, (self.root / path).read_bytes())
        return packed.getvalue()

    def send(self, client: JobsClient) -> str:
        """Sends what the cluster has not got yet; returns the package's URI."""
        content = self.pack()
        name = f"_ray_pkg_{hashlib.sha256(content).hexdigest()[:32]}.zip"
        if not client.has_package(name):
            client.put_package(name, content)
        return f"gcs://{name}"


def working_directory(config: Path, excludes: Sequence[str] = ()) -> Upload:
    """What is sent of the current folder: `config` always, but nothing that matches `excludes` (as in .gitignore).

    .gitignore and .rayignore count, at every level; version control, virtual environments, caches, data,
    tracking stores and links back into the folder stay here.
    """
    root = Path.cwd()
    patterns = [f"/{pattern}" for pattern in NOT_AT_THE_TOP] + list(excludes)
    files = {path.relative_to(root).as_posix(): path.stat().st_size for path in _walk(root, patterns)}
    files[config.as_posix()] = (root / config).stat().st_size
    return Upload(root, dict(sorted(files.items())))


def package(folder: Path) -> Upload:
    """A Python package (its folder) as a module for the cluster."""
    root = folder.resolve().parent
    return Upload(
        root, {path.relative_to(root).as_posix(): path.stat().st_size for path in _walk(folder.resolve(), ())}
    )


def limit() -> int:
    """The most bytes that Ray's dashboard and store take."""
    from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE
    from ray._private.runtime_env.packaging import GCS_STORAGE_MAX_SIZE

    return int(min(DASHBOARD_CLIENT_MAX_SIZE, GCS_STORAGE_MAX_SIZE))


def _walk(root: Path, patterns: Sequence[str]) -> Iterator[Path]:
    """The files, with Ray's reading of ignore files and patterns."""
    from ray._private.runtime_env import packaging

    found: list[Path] = []
    quiet = packaging.default_logger.getChild("walk")
    quiet.disabled = True
    ignored = packaging._get_excludes(root, list(patterns))
    packaging._dir_travel(
        root, [_stays, lambda path: path != root and ignored(path)], found.append, include_gitignore=True, logger=quiet
    )
    return (path for path in sorted(found) if path.is_file() and os.access(path, os.R_OK))


def _stays(path: Path) -> bool:
    if path.name in NEVER:
        return True
    if path.is_symlink() and path.is_dir():
        here, there = Path.cwd(), path.resolve()
        return there.is_relative_to(here) or here.is_relative_to(there)
    return path.is_dir() and any((path / mark).is_file() for mark in CACHE_MARKS)


def size(nbytes: int) -> str:
    """34 kB, 1.2 MB."""
    value, unit = float(nbytes), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if unit != "B" and value < 10 else f"{value:.0f} {unit}"
