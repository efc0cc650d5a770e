"""What of a folder is sent."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from dist_bp.errors import SubmitError
from dist_bp.submit.upload import Upload, package, size, working_directory

SENT = ["a.py", "b.yaml", "sub/.gitignore", "sub/data/kept.py", "sub/kept.txt"]
NOT_SENT = [
    ".git/config",
    "__pycache__/a.pyc",
    "data/train.csv",
    "mlflow.db",
    "mlflow.db-wal",
    "mlartifacts/1/model",
    ".dist_bp/prepared/x.npy",
    "runs/1/checkpoints/step-1/model",
    "sub/ignored.txt",
    "ignored_by_ray.bin",
    "env/bin/python",
    "cache/x",
    "extra/x",
]


@pytest.fixture
def folder(workplace: Path) -> Path:
    for name in SENT + NOT_SENT:
        path = workplace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (workplace / "sub/.gitignore").write_text("ignored.txt\n")
    (workplace / ".rayignore").write_text("*.bin\n.rayignore\n")
    (workplace / "env/pyvenv.cfg").touch()
    (workplace / "cache/CACHEDIR.TAG").touch()
    (workplace / "loop").symlink_to(workplace, target_is_directory=True)
    os.mkfifo(workplace / "pipe")
    return workplace


def test_what_is_sent_is_what_is_listed(folder: Path) -> None:
    upload = working_directory(Path("b.yaml"), ["/runs", "extra/"])
    assert list(upload.files) == SENT
    assert upload.nbytes == sum((folder / name).stat().st_size for name in SENT)
    assert str(upload) == f"5 files, {upload.nbytes} B: a.py, b.yaml, sub/ 3"
    with zipfile.ZipFile(io.BytesIO(upload.pack())) as archive:
        assert archive.namelist() == SENT
        assert archive.read("a.py") == b"a.py"


def test_the_configuration_is_sent_though_ignored(folder: Path) -> None:
    (folder / "best.yaml").write_text("name: best")
    (folder / ".gitignore").write_text("*.yaml")
    files = working_directory(Path("best.yaml")).files
    assert "best.yaml" in files
    assert "b.yaml" not in files


def test_equal_content_has_equal_bytes(folder: Path) -> None:
    before = working_directory(Path("b.yaml")).pack()
    os.utime(folder / "a.py", (1, 1))
    assert working_directory(Path("b.yaml")).pack() == before
    (folder / "a.py").write_text("other")
    assert working_directory(Path("b.yaml")).pack() != before


def test_a_package_keeps_its_name(folder: Path) -> None:
    assert list(package(folder / "sub").files) == ["sub/.gitignore", "sub/data/kept.py", "sub/kept.txt"]


def test_over_the_limit_the_largest_are_named() -> None:
    upload = Upload(Path("/w"), {"small": 10, "large": 2_000_000, "larger": 30_000_000})
    upload.check(32_000_010)
    with pytest.raises(SubmitError, match=r"32 MB in 3 files, Ray takes 32 MB; .* larger \(30 MB\), large \(2\.0 MB\)"):
        upload.check(32_000_009)


@pytest.mark.parametrize(
    ("nbytes", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (34_400, "34 kB"), (1_200_000_000, "1.2 GB")]
)
def test_sizes_read_well(nbytes: int, text: str) -> None:
    assert size(nbytes) == text
