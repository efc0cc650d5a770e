"""The machine and the versions that figures belong to."""

import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("numpy", "ray", "torch", "scikit-learn", "mlflow")


def describe_machine() -> dict[str, str]:
    return {
        "processor": _processor(),
        "cpus": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "blas": _blas(),
        **{name: _version(name) for name in PACKAGES},
    }


def in_words(machine: dict[str, str]) -> str:
    versions = ", ".join(f"{name} {machine[name]}" for name in ("python", *PACKAGES) if machine[name])
    return f"{machine['cpus']} CPUs of {machine['processor']}, {machine['memory']}; {versions}, {machine['blas']}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _blas() -> str:
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return ", ".join(dict.fromkeys(f"{pool['internal_api']} {pool['version']}" for pool in pools))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
