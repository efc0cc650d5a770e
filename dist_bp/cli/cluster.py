"""`cluster up|status|down`: a Ray head on this machine."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dist_bp.cli.options import AsJson
from dist_bp.typed import command

if TYPE_CHECKING:
    from dist_bp.submit.state import Head


def up(
    port: Annotated[
        int | None, typer.Option(min=1024, max=65535, help="Port of Ray itself; default: a free one.")
    ] = None,
    dashboard_port: Annotated[
        int | None,
        typer.Option(min=1024, max=65535, help="Port of dashboard and Jobs API; default: 8265, or else a free one."),
    ] = None,
    num_cpus: Annotated[int | None, typer.Option(min=1, help="CPUs for jobs; default: those of this machine.")] = None,
    as_json: AsJson = False,
) -> None:
    """Start a Ray head on this machine, on loopback and with a token of its own."""
    from dist_bp.runtime.temporary import check_temporary_folder
    from dist_bp.submit.head import start_head

    notes = check_temporary_folder()
    head, started = start_head(port, dashboard_port, num_cpus)
    for line in notes if started else ():
        print(f"note: {line}", file=sys.stderr)
    if as_json:
        _print_json(head, True)
    elif started:
        print(f"up: {head.address} with {head.num_cpus} CPUs; {command('submit', 'CONFIG')} uses it")
    else:
        print(f"is up already: {head.address} with {head.num_cpus} CPUs")


def status(as_json: AsJson = False) -> None:
    """Tell where the local head is and whether it is well; exit code 0 if it is."""
    from dist_bp.submit.head import whats_wrong
    from dist_bp.submit.state import read_head

    head = read_head()
    problem = whats_wrong(head) if head else "there is no local head"
    if as_json:
        _print_json(head, problem is None)
    elif head is None:
        print(f"no local head: {command('cluster', 'up')} starts one")
    elif problem:
        print(f"dead: {head.address}: {problem}; {command('cluster', 'up')} removes what is left and starts another")
    else:
        print(f"up: {head.address} with {head.num_cpus} CPUs, Ray at {head.ray_address}")
    if problem:
        raise typer.Exit(1)


def down(as_json: AsJson = False) -> None:
    """End the local head, its jobs first; touches no other Ray."""
    from dist_bp.submit.head import stop_head

    head = stop_head(lambda text: print(text, file=sys.stderr))
    if as_json:
        _print_json(head, False)
    else:
        print(f"down: {head.address}" if head else "no local head is up")


def _print_json(head: "Head | None", alive: bool) -> None:
    facts = {"address": None, "ray_address": None, "num_cpus": None, "token_path": None}
    if head:
        facts = {name: value for name, value in head.as_dict().items() if name in facts}
    print(json.dumps({"alive": alive, **facts}))
