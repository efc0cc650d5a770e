"""A data set larger than the memory a process may use is trained on."""

import subprocess
import sys
from pathlib import Path

import numpy as np

SIZE = 400 * 2**20
LIMIT = 300 * 2**20
CHILD = """
import resource, secrets, sys
import numpy as np
from dist_bp.config import JobConfig
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train.setup import prepare_job

resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
try:
    np.ones(SIZE // 8)
except MemoryError:
    pass
else:
    sys.exit("the limit does not hold")
job = prepare_job(JobConfig.model_validate({
    "name": "large",
    "data": {"source": {"type": "npy", "inputs": "x.npy", "targets": "y.npy"}, "preprocess": [{"type": "standardize"}]},
    "model": {"layers": [{"type": "dense", "units": 2}]},
    "loss": {"type": "cross_entropy"},
    "train": {"batch_size": 1024, "optimizer": {"type": "adam", "learning_rate": 0.01}},
    "scaling": {"num_workers": 0},
}))
plan = RunPlan(job.config, job.prepared.directory, job.total_steps, secrets.token_bytes(32))
with ThreadRuntime(plan, job.metrics) as runtime:
    runtime.start(job.initial)
    report = runtime.train(0, job.steps_per_epoch, 1.0, 10.0)
    evaluation = runtime.evaluate("validation")
accuracy = job.metrics["accuracy"].result(evaluation.metrics["accuracy"])
print(int(report.counts.sum()), job.prepared.splits["train"], accuracy)
"""


def test_an_epoch_over_data_larger_than_memory(tmp_path: Path) -> None:
    width = 1024
    samples = SIZE // (4 * width)
    inputs = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (samples, width))
    labels = np.arange(samples) % 2
    inputs[:, 0] = labels * 2 - 1
    assert inputs.nbytes > LIMIT
    del inputs
    np.save(tmp_path / "y.npy", labels)
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", f"LIMIT, SIZE = {LIMIT}, {SIZE}\n{CHILD}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    trained, samples_in_split, accuracy = done.stdout.split()
    assert trained == samples_in_split
    assert int(trained) * 4 * width > LIMIT
    assert float(accuracy) == 1.0
