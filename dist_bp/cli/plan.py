"""`plan`: what a job would take on many nodes, predicted from a short calibration on this machine."""

import json
import re
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dist_bp.cli.options import AsJson, ConfigPath, Overrides, text_stream
from dist_bp.errors import Interrupted, UserError
from dist_bp.messages import plural

if TYPE_CHECKING:
    from dist_bp.runtime.forecast import Costs, Load, Prediction

PREFIXES = {"M": 1e6, "G": 1e9}


def plan(
    config: ConfigPath,
    overrides: Overrides = None,
    nodes: Annotated[
        int, typer.Option("--nodes", min=1, max=65536, metavar="N", help="Up to how many nodes, each like this one.")
    ] = 8,
    nic: Annotated[
        str, typer.Option("--nic", metavar="RATE", help="A node's network card: 10Gb, 2.5Gb, 100Mb.")
    ] = "10Gb",
    latency: Annotated[
        float, typer.Option("--latency-us", min=0, metavar="US", help="Microseconds from one node to another.")
    ] = 50.0,
    growth: Annotated[
        Literal["weak", "strong"],
        typer.Option("--scaling", help="weak: the batch grows with the nodes. strong: it stays."),
    ] = "weak",
    as_json: AsJson = False,
) -> None:
    """Predict step time, traffic, memory and efficiency on many nodes.

    scaling.num_workers are the workers of each node. They and their servers run here for some seconds to measure what
    their parts take.
    """
    from dist_bp.config import load_config

    bandwidth = bytes_a_second(nic)
    job_config = load_config(config, overrides or ())

    from dist_bp.runtime.forecast import Network, check_batch, predict
    from dist_bp.train.calibrate import calibrate, load_of

    load, counts = load_of(job_config), steps_to(nodes)
    check_batch(load, counts, growth)
    try:
        with redirect_stdout(text_stream(as_json)):  # Ray tells there of a process that has died
            costs = calibrate(job_config, load, lambda text: print(text, file=sys.stderr))
    except KeyboardInterrupt:
        raise Interrupted("interrupted while measuring: there is no prediction") from None
    found = predict(load, costs, Network(bandwidth, latency * 1e-6), counts, growth)
    out = text_stream(as_json)
    for line in (*describe(load, costs, nic, latency, growth), "", *table(found), "", *rounds(found), *memory(found)):
        print(line, file=out)
    if as_json:
        figures = {"nic": nic, "latency_us": latency, "scaling": growth, "costs": _short(costs)}
        print(json.dumps(figures | {"predictions": [asdict(prediction) for prediction in found]}))


def bytes_a_second(nic: str) -> float:
    """The bytes a second of a card named by its bits, as in 10Gb. Raises UserError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG])b(?:it)?(?:/s|ps)?", nic)
    if found is None or float(found[1]) == 0:
        raise UserError(f"--nic: {nic!r} is no rate of a network card: write bits a second, such as 10Gb or 100Mb")
    return float(found[1]) * PREFIXES[found[2]] / 8


def steps_to(nodes: int) -> list[int]:
    """1, 2, 4 ... and `nodes`."""
    return sorted({*(2**power for power in range(nodes.bit_length())), nodes})


def describe(load: "Load", costs: "Costs", nic: str, latency: float, growth: str) -> list[str]:
    """The job and what was measured."""
    layout = load.layout
    workers = len(layout.own_shares)
    too = " that is a server, too" if workers == 1 else " that are servers, too"
    servers = f" and {plural(layout.servers, 'server')}" if layout.servers else too
    rows = load.batch / workers
    gradient = costs.compute + costs.compute_row * rows
    lines = [
        f"{layout.parameters:,} parameters, {layout.mode.name}; a node has {plural(workers, 'worker')}"
        f"{servers}; {nic} and {latency:g} us to the others",
        f"measured here: a gradient of {rows:g} samples {1e3 * gradient:.3g} ms, of which {1e3 * costs.compute:.3g} ms "
        f"whatever the samples; an update {1e3 * costs.update * layout.parameters / layout.updaters:.3g} ms; signals "
        f"{1e3 * costs.alone.signal:.3g} ms; an exchange with another server {1e6 * costs.exchange.round:.3g} us, "
        f"{1e9 * costs.exchange.byte:.3g} ms a MB sent, {1e6 * costs.exchange.message:.3g} us for each further message",
    ]
    if costs.together:
        lines.append(
            f"two nodes of {plural(costs.together // 2, 'worker')} on this machine: an exchange takes "
            f"{costs.entangled:.3g} times what it takes servers that do nothing else"
        )
    else:
        reason = " ".join((costs.apart or "").split())
        lines.append(f"two nodes were not measured, nor what an exchange takes within a job: {reason}")
    lines.append(measured(load, costs, growth))
    return lines


def measured(load: "Load", costs: "Costs", growth: str) -> str:
    """Which lines of the table are measurements."""
    if costs.together == 2 * load.workers and growth == "weak":
        return "measured are the lines of 1 and 2 nodes, but for the network card; the others follow from them"
    return "measured is the line of 1 node; the others follow from what is said above"


def table(found: "list[Prediction]") -> list[str]:
    parts = ("step", "compute", "signal", "reduce", "exchange", "update")
    rows = [["nodes", "batch", "step ms", *parts[1:], "MB sent", "samples/s", "efficiency"]]
    for prediction in found:
        times = [f"{1e3 * getattr(prediction, part):.3f}" for part in parts]
        sent, pace = f"{prediction.wire_bytes / 1e6:.3f}", f"{prediction.samples_per_second:,.0f}"
        counts = [f"{prediction.nodes:,}", f"{prediction.batch:,}"]
        rows.append([*counts, *times, sent, pace, f"{prediction.efficiency:.0%}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def rounds(found: "list[Prediction]") -> list[str]:
    """How nodes exchange, where there are several."""
    ways = {
        1: "in one round, in which each updates everything",
        2: "in two, in which each updates a slice and sends it to all",
    }
    numbers = {way: [f"{one.nodes:,}" for one in found if one.rounds == way] for way in ways}
    told = [f"{ways[way]}: {', '.join(nodes)} nodes" for way, nodes in numbers.items() if nodes]
    return [f"sums are exchanged {'; '.join(told)}"] if told else []


def memory(found: "list[Prediction]") -> list[str]:
    """What the processes of a node need on one node and on the most."""
    ends = found if len(found) == 1 else [found[0], found[-1]]
    lines = []
    for end in ends:
        server = f" and each server {end.server / 2**20:.1f} MiB" if end.server else ""
        shared, worker = f"{end.arena / 2**20:.1f} MiB shared", f"each worker {end.worker / 2**20:.1f} MiB"
        lines.append(f"memory of a node of {end.nodes:,}: {shared}, {worker}{server} of its own")
    return lines


def _short(costs: "Costs") -> dict[str, object]:
    """The costs, with the spread of the gradients' times as its tenths."""
    spread = costs.gradients.spread
    tenths = [spread[min(len(spread) * tenth // 10, len(spread) - 1)] for tenth in range(11)]
    return asdict(replace(costs, gradients=replace(costs.gradients, spread=tenths)))
