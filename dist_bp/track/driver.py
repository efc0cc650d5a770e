"""Which process drives a run: a tag that tells it from the one that resumes the run after its death."""

import os
import platform

from dist_bp.processes import start_time

DRIVER = "dist_bp.driver"


def identity() -> str:
    """This process: its host, its id, and when it started, for ids are given again."""
    return f"{platform.node()}:{os.getpid()}:{start_time(os.getpid())}"


def host_of(driver: str) -> str:
    return driver.rsplit(":", 2)[0]


def is_gone(driver: str) -> bool:
    """Whether a process of this host has ended; of those on other hosts nothing is known."""
    host, process, started = driver.rsplit(":", 2)
    return host == platform.node() and start_time(int(process)) != started


def is_elsewhere(driver: str) -> bool:
    """Whether it is a process of another host, as of a container that is gone."""
    return host_of(driver) != platform.node()
