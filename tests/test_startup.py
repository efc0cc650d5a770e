"""No command waits for libraries that it does not need: each of them takes longer to import than many a command."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SLOW = ("ray", "mlflow", "pandas", "sklearn", "matplotlib", "sqlalchemy", "scipy", "pyarrow")
STEPS = (
    "from dist_bp.cli.main import main",
    "from dist_bp.config import load_config; job = load_config('configs/digits.yaml')",
    "import dist_bp.cli.display, dist_bp.train.job, dist_bp.serve",
    "from dist_bp.data.sources.scikit_learn import SklearnSource; SklearnSource('iris').load()",
    "import dist_bp.runtime.ray_runtime, dist_bp.runtime.threads",
)


def test_nothing_large_is_imported_before_it_is_needed() -> None:
    """In one process, one step after the other."""
    looks = [f"{step}\nprint([name for name in {SLOW} if name in sys.modules])" for step in STEPS]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(["import sys", *looks])], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]"] * len(STEPS)
