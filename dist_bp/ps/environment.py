"""What the bits of a process's arithmetic depend on beside its input and dist_bp's code."""

import platform
from pathlib import Path

import numpy as np
from threadpoolctl import ThreadpoolController


def environment() -> dict[str, str]:
    """Versions, the processor, and with how many threads and which kernel BLAS multiplies matrices in this process."""
    libraries = [pool for pool in ThreadpoolController().info() if pool["user_api"] == "blas"]
    own = [pool for pool in libraries if "numpy" in pool["filepath"]]  # others that libraries bring do not train
    pools = own or libraries
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "C library": " ".join(platform.libc_ver()),
        "processor": _processor(),
        "NumPy's vectors": ", ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])),
        "BLAS": ", ".join(f"{pool['internal_api']} {pool['version']}" for pool in pools),
        "BLAS kernel": ", ".join(pool.get("architecture", "") for pool in pools),
        "BLAS threads": ", ".join(str(pool["num_threads"]) for pool in pools),
    }


def _processor() -> str:
    """As the system calls it; where it does not, the name of its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
