import subprocess
import sys
from pathlib import Path

import numpy as np

SIZE = 300 * 2**20
LIMIT = 200 * 2**20
CHILD = """import resource, sys
import numpy as np
from dist_bp.data import Batches, Gatherer, Split, prepare
from dist_bp.data.preprocess.min_max import MinMax
from dist_bp.data.sources.npy import NpySource
from dist_bp.data.preprocess.standardize import Standardize

resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
try:
    np.ones(SIZE // 8)
except MemoryError:
    pass
else:
    sys.exit("the limit does not hold")
prepared = prepare(
    NpySource("x.npy", "y.npy"), Split(0.1, 0.1), [Standardize()], 0, "float32", "prepared", task="classification"
)
samples = prepared.split("train")
x = samples.inputs
batches = Batches(samples=len(x), batch_size=64, group_size=32)
gatherer = Gatherer(samples, batches.largest)
for step in range(20):
    gatherer.batch(*batches.parts(step)[0], batches.whole(step))
print(prepared.splits["train"], float(np.abs(x[:, :2]).sum()))
"""


def test_data_larger_than_memory_is_prepared_and_read(tmp_path: Path) -> None:
    width = 2048
    samples = SIZE // (4 * width)
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (samples, width))
    x[:, :2] = np.random.default_rng(0).integers(0, 200, (samples, 2))
    assert x.nbytes > LIMIT
    del x
    np.save(tmp_path / "y.npy", np.arange(samples) % 2)
    script = f"LIMIT, SIZE = {LIMIT}, {SIZE}\n{CHILD}"
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    train, magnitude = done.stdout.split()
    assert int(train) == samples - 2 * round(samples * 0.1)
    # A uniform column has a mean distance of sqrt(3) / 2 standard deviations from its mean.
    np.testing.assert_allclose(float(magnitude) / (2 * int(train)), np.sqrt(3) / 2, rtol=0.02)
