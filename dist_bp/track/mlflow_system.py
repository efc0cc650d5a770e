"""What a run needs of its machine, as MLflow measures it."""

from collections.abc import Callable, Mapping

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from dist_bp.track.sampler import Sampler

SYSTEM_METRICS = {
    f"system/{name}": name
    for name in (
        "cpu_utilization_percentage",
        "system_memory_usage_megabytes",
        "network_receive_megabytes",
        "network_transmit_megabytes",
    )
}
"""Those that say something of a run; of a disk or in percent they are of the machine alone."""


def system_sampler(
    run_id: str,
    tracking_uri: str,
    log: Callable[[int, Mapping[str, float]], None],
    interval: float,
    last: Mapping[str, int],
) -> Sampler:
    """Begun. It logs every `interval` seconds; `last` are the last steps of the metrics that the run has already."""
    monitor = SystemMetricsMonitor(run_id, tracking_uri=tracking_uri)

    def read() -> dict[str, float]:
        monitor.collect_metrics()
        readings = monitor.aggregate_metrics()
        values = {shown: readings[name] for shown, name in SYSTEM_METRICS.items() if name in readings}
        for source in monitor.monitors:
            source.clear_metrics()
        return values

    before = max((step for name, step in last.items() if name in SYSTEM_METRICS), default=-1)
    return Sampler(read, log, interval=interval, first_step=before + 1)
