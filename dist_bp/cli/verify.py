"""`verify`: steps of a run are trained again, and compared to the bit."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from dist_bp.cli.models import JobFile
from dist_bp.cli.options import AsJson, Quiet, TrustCode, text_stream
from dist_bp.messages import plural

if TYPE_CHECKING:
    from dist_bp.train.agreement import Agreement
    from dist_bp.train.verify import Verdict

IDENTICAL = "bit-identical"


def verify(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run's id, the beginning of it, its name or folder, or the folder of the checkpoint to end at.",
        ),
    ],
    first: Annotated[
        int | None,
        typer.Option(
            "--from",
            min=0,
            metavar="STEP",
            help="Begin at the checkpoint of this step, 0: at the initialisation; by default at the last but one.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--steps", min=1, metavar="N", help="Train so many steps; by default to the newest checkpoint."),
    ] = None,
    on_ray: Annotated[
        bool, typer.Option("--ray", help="With processes on Ray, as the run had; else threads of this process.")
    ] = False,
    config: JobFile = None,
    trust_code: TrustCode = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train steps of a run again, and tell whether they are the same to the bit.

    Compares digests of code, configuration, data and order, the loss of every step and the parameters at each
    checkpoint. Exit code 0: bit-identical, 1: not.
    """
    from dist_bp.cli.display import watch
    from dist_bp.config import load_config
    from dist_bp.config.run import CheckpointConfig
    from dist_bp.imports import importing

    with importing():
        from dist_bp.train.stretch import legs_of
        from dist_bp.train.verify import verify as verify_leg

    moved = load_config(config, own_code=False) if config else None
    legs = legs_of(run, Path((moved.checkpoint if moved else CheckpointConfig()).directory), first, count)
    verdicts: list[Verdict] = []
    with watch(run, quiet, sys.stderr) as observer:
        for leg in legs:
            verdicts.append(verify_leg(leg, moved, trust_code, on_ray, observer))
            if not verdicts[-1].identical:
                break
    if not quiet:
        _print(run, verdicts, text_stream(as_json))
    identical = verdicts[-1].identical
    if as_json:
        print(json.dumps({"run": run, "identical": identical, "legs": [_facts(verdict) for verdict in verdicts]}))
    if not identical:
        raise typer.Exit(1)


def _print(run: str, verdicts: "list[Verdict]", out: TextIO) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from dist_bp.cli.display import print_facts

    last = verdicts[-1]
    facts = {"run": run, **{str(verdict.leg): _told(verdict) for verdict in verdicts}}
    if last.parameters_sha256:
        known = last.recorded_sha256 not in (None, last.parameters_sha256)
        facts["parameters"] = f"SHA-256 {last.parameters_sha256}{f', recorded {last.recorded_sha256}' * known}"
    facts["result"] = IDENTICAL if last.identical else f"not {IDENTICAL}"
    console = Console(file=out, highlight=False)
    print_facts(console, {name: escape(value) for name, value in facts.items()})
    for line in dict.fromkeys(line for verdict in verdicts for line in _remarks(verdict)):
        console.print(f"note: {line}", markup=False, soft_wrap=True)
    if last.differences:
        table = Table("not as recorded", "recorded", "now", box=None, padding=(0, 2, 0, 0))
        for difference in last.differences:
            table.add_row(*(escape(value if value.isprintable() else repr(value)) for value in difference))
        console.print(table)


def _told(verdict: "Verdict") -> str:
    """What became of a leg, in a line."""
    begun = f"from {verdict.leg.before.name}" if verdict.leg.before else "from the initialisation"
    if verdict.found is None:
        changed = " and ".join(difference.what for difference in verdict.differences)
        return f"{begun}: not trained, as they cannot be the same: {changed} changed"
    return f"{begun}: {'; '.join(_parts(verdict.found))}"


def _parts(found: "Agreement") -> Iterator[str]:
    if found.loss:
        step, recorded, now = found.loss
        yield f"the loss differs from step {step:,} on, {recorded!r} recorded and {now!r} now"
    elif found.losses:
        yield f"{plural(found.losses, 'loss')} as recorded"
    if found.array:
        name, differing, elements, largest = found.array
        yield f"{name} differs at {differing:,} of {elements:,} elements, by {largest:.3g} at most"
    elif found.arrays:
        yield "parameters as recorded"


def _remarks(verdict: "Verdict") -> Iterator[str]:
    yield from verdict.missing
    if not (verdict.identical or verdict.differences or verdict.missing):
        yield (
            "code, configuration, data, order and environment are as recorded: a checkpoint was changed, or what "
            "computes does not always do the same"
        )


def _facts(verdict: "Verdict") -> dict[str, Any]:
    """For JSON, which has no nan."""
    leg, found = verdict.leg, verdict.found
    facts: dict[str, Any] = {"from": leg.start, "to": leg.stop, "identical": verdict.identical}
    facts |= {"losses": found.losses if found else 0, "arrays": bool(found and found.arrays)}
    for name, mismatch in (("loss", found and found.loss), ("array", found and found.array)):
        values = mismatch._asdict() if mismatch else None
        facts[name] = values and {key: str(value) if value != value else value for key, value in values.items()}
    facts |= {"parameters_sha256": verdict.parameters_sha256, "recorded_sha256": verdict.recorded_sha256}
    facts["differences"] = [difference._asdict() for difference in verdict.differences]
    return facts | {"notes": list(_remarks(verdict))}
