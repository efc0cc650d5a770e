"""What is wrong with a sweep, as far as it can be told before anything has started."""

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import product
from typing import Any

from dist_bp.config import JobConfig
from dist_bp.config.candidates import Finding, check_spaces, with_values
from dist_bp.errors import CapacityError, ConfigError, UserError
from dist_bp.runtime.cluster import cluster_address, this_machine
from dist_bp.runtime.decoding import crew_of
from dist_bp.runtime.placement import Node, place
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.search import Search
from dist_bp.train.setup import PreparedJob, prepare_job
from dist_bp.tuning.schedulers.base import enough_epochs
from dist_bp.tuning.schedulers.pbt import Pbt


def check_sweep(job: SweepJob) -> Search:
    """The search of the sweep. Raises ConfigError or UserError where it cannot work."""
    _refuse(check_spaces(job.config))
    if cluster_address(job.config.ray.address) == "local":
        check_capacity(job, [this_machine()])
    search = Search(job.sweep, job.config.seed, partial(_wrong, job))
    search.propose(0, [])  # do the conditions admit anything?
    return search


def check_networks(job: SweepJob, base: PreparedJob) -> None:
    """Raises ConfigError where the data or the network of `base`, the job as it is, does not go with some values."""

    def misfits(config: JobConfig, values: Mapping[str, Any]) -> list[str]:
        try:
            prepared = prepare_job(with_values(config, values), crew=crew_of(config))
        except UserError as error:
            return error.problems
        if isinstance(job.sweep.scheduler_options, Pbt) and prepared.layout.optimizer != base.layout.optimizer:
            return ["pbt copies the optimizer's state, which has other parts with this value"]
        return []

    _refuse(check_spaces(job.config, misfits))


def enough(job: SweepJob, base: PreparedJob) -> int:
    """After how many epochs a score says something of any trial: of those with the fewest steps an epoch."""
    spaces, train = job.sweep.spaces, base.config.train
    largest = 1
    for key, given in (("train.batch_size", train.batch_size), ("train.accumulate", train.accumulate)):
        largest *= max(spaces[key].probes()) if key in spaces else given
    steps = -(-base.splits["train"] // largest)
    return enough_epochs(steps, min(steps * base.epochs, base.total_steps))


def check_capacity(job: SweepJob, nodes: list[Node]) -> None:
    """Raises CapacityError where a trial may ask for more than there is."""
    varied = {key: space.probes() for key, space in job.sweep.spaces.items() if key.startswith("scaling")}
    for values in product(*varied.values()):
        given = dict(zip(varied, values, strict=True))
        try:
            scaling = job.trial(given).scaling
        except ConfigError:  # depends on other values
            continue
        try:
            place(max(scaling.num_workers, 1), scaling.cpus_per_worker, nodes, least=scaling.min_workers)
        except CapacityError as error:
            settings = ", ".join(f"{key}={value}" for key, value in given.items())
            trial = f"a trial with {settings}" if settings else "a trial"
            raise CapacityError(f"{trial} cannot run: {error}") from None


def _refuse(findings: Iterable[Finding]) -> None:
    if found := [f"sweep.parameters.{key}: {message}" for key, message in findings]:
        raise ConfigError(found)


def _wrong(job: SweepJob, values: Mapping[str, Any]) -> str | None:
    try:
        job.trial(values)
    except ConfigError as error:
        return error.problems[0]
    return None
