"""Which process drives a run: a tag that tells it from the one that resumes the run after its death."""

import os
import platform

from dist_bp.processes import start_time

DRIVER = "dist_bp.driver"


def identity() -> str:
    """This process: its host, its id, and when it started, for ids are given again."""
    return f"{platform.node()}:{os.getpid()}:{start_time(os.getpid())}"


def is_gone(driver: str) -> bool:
    """Whether a process of this host has ended; of those on other hosts nothing is known."""
    host, _, process = driver.rpartition(":")[0].rpartition(":")
    return host == platform.node() and start_time(int(process)) != driver.rpartition(":")[2]
