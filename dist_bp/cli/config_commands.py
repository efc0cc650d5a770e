"""`validate`, `render`, `schema`: a configuration without running it."""

from typing import TYPE_CHECKING, Annotated

import typer

from dist_bp.cli.options import ConfigPath, Overrides
from dist_bp.messages import plural

if TYPE_CHECKING:
    from dist_bp.config import JobConfig


def validate(config: ConfigPath, overrides: Overrides = None) -> None:
    """Check a configuration and list everything that is wrong with it."""
    from dist_bp.config import load_config

    print(f"ok: {describe(load_config(config, overrides or ()))}")


def render(
    config: ConfigPath,
    overrides: Overrides = None,
    comments: Annotated[bool, typer.Option("--comments", help="Say above each key what it means.")] = False,
) -> None:
    """Print the complete configuration, with all defaults."""
    from dist_bp import config as configuration

    print(configuration.render(configuration.load_config(config, overrides or ()), comments), end="")


def schema(
    section: Annotated[
        str | None, typer.Argument(metavar="[SECTION]", help="Only this section, such as train.optimizer.")
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Instead a table of choices in Markdown, such as layers or optimizers."),
    ] = None,
) -> None:
    """Print the JSON Schema of the configuration, for editors."""
    import json

    from dist_bp.config import json_schema
    from dist_bp.config.tables import table as markdown

    if table is not None:
        print(markdown(table))
        return

    print(json.dumps(json_schema(section), indent=2))


def describe(job: "JobConfig") -> str:
    """The job in one line."""
    source = getattr(job.data.source, "name", None) or getattr(job.data.source, "path", None)
    data = f"{job.data.source.type} {source}" if source else job.data.source.type
    layers = plural(len(job.model.layers), "layer")
    workers = job.scaling.num_workers
    place = "in process" if workers == 0 else plural(workers, "worker")
    train = job.train
    return (
        f"{job.name}: {data}, {layers}, {job.loss.type}, {train.optimizer.type} at "
        f"{train.optimizer.learning_rate:g}, {plural(train.epochs, 'epoch')} of batches of {train.batch_size}, {place}"
    )
