"""The workflow from the command line: run, plan, check, doctor, schema."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from heliopolis.errors import ConfigError, HeliopolisError

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration, YAML.")]


def run(
    context: typer.Context,
    config: ConfigPath,
    cores: Annotated[int, typer.Option(min=1, help="Processor cores to use.")] = 2,
    memory: Annotated[float, typer.Option(min=1, help="Memory for all jobs together [GB].")] = 4,
    offline: Annotated[bool, typer.Option("--offline", help="Make no network call.")] = False,
    profile: Annotated[
        Path | None, typer.Option(help="Snakemake profile, such as configs/profiles/slurm.")
    ] = None,
    scheduled: Annotated[
        bool,
        typer.Option(
            "--scheduled",
            help="Take new and changed scenes, tell what changed, keep the last results.",
        ),
    ] = False,
    redrive: Annotated[
        bool, typer.Option("--redrive", help="Redo only the scenes and tiles that failed.")
    ] = False,
    machine: Annotated[
        bool, typer.Option("--json", help="Progress as JSON, one object in a line, on stdout.")
    ] = False,
) -> None:
    """Run everything that is not done yet; what follows `--` is handed to Snakemake.

    Example: heliopolis run configs/demo/config.yaml --cores 2 --memory 4
    """
    from heliopolis.cli import rerun
    from heliopolis.cli.engine import Means, Teller
    from heliopolis.io.lock import BusyError
    from heliopolis.steps.check import problems
    from heliopolis.study import Study

    if scheduled and redrive:
        raise ConfigError("--scheduled and --redrive exclude each other")
    study, tell = Study.load(config), Teller(machine)
    means = Means(cores, memory, offline, profile, tuple(context.args))
    try:
        _stop_on(problems(study), config)
        with rerun.held(study, tell) as lock:
            if scheduled:
                rerun.scheduled(study, means, tell, lock)
            else:
                rerun.complete(study, means, tell, lock, again=redrive)
    except HeliopolisError as error:
        if scheduled and isinstance(error, ConfigError | BusyError):
            from heliopolis.steps.history import log_line

            log_line(study.results, status="failed", error=error)
        tell("", "failed", error=str(error), exit_code=error.exit_code)
        raise
    seconds, results = time.monotonic() - tell.started, str(study.results.resolve())
    what = "open the project in QGIS, report.html and map.html in a browser"
    if {"-n", "--dry-run", "--dryrun"} & set(context.args):
        what = "nothing was made: a dry run"
    text = f"done in {seconds:.0f} s; {what}"
    tell(text, "done", results=results)
    if not machine:
        print(results)


def _stop_on(found: list[str], config: Path) -> None:
    if found:
        count = f"{len(found)} problem{'s' if len(found) > 1 else ''} found before the start"
        raise ConfigError(count, where=str(config), remedy=" | ".join(found))


def plan(
    config: ConfigPath,
    cores: Annotated[int, typer.Option(min=1, help="Processor cores to use.")] = 2,
    memory: Annotated[float, typer.Option(min=0.5, help="Memory for all jobs [GB].")] = 4,
) -> None:
    """Say what a run would take: scenes, tiles, bytes, memory, disk, time; nothing is downloaded.

    What cannot fit is refused, with what would.

    Example: heliopolis plan configs/demo/config.yaml
    """
    from heliopolis.steps.check import problems
    from heliopolis.steps.forecast import forecast
    from heliopolis.study import Study

    study = Study.load(config)
    _stop_on(problems(study), config)
    for line in forecast(study, cores=cores, memory_gb=memory):
        typer.echo(line)


def check(config: ConfigPath) -> None:
    """Validate a configuration and its inputs; every problem is listed, not only the first.

    Example: heliopolis check configs/demo/config.yaml
    """
    from heliopolis.steps.check import problems
    from heliopolis.study import Study

    _stop_on(problems(Study.load(config)), config)
    typer.echo(f"{config}: no problem found")


def schema() -> None:
    """Print the JSON Schema of the configuration.

    Example: heliopolis schema > schema.json
    """
    from heliopolis.config import schema_text

    typer.echo(schema_text(), nl=False)


def doctor() -> None:
    """Report on the environment: versions, drivers, disk, memory, cache, catalogs in reach.

    Example: heliopolis doctor
    """
    from heliopolis.steps.check import environment

    lines, healthy = environment()
    _print(lines)
    if not healthy:
        raise typer.Exit(1)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)
