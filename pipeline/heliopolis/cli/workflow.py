"""The workflow from the command line: run, plan, check, doctor, schema."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heliopolis.errors import ConfigError, HeliopolisError

if TYPE_CHECKING:
    from heliopolis.study import Study

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
) -> None:
    """Run everything that is not done yet; what follows `--` is handed to Snakemake.

    Example: heliopolis run configs/demo/config.yaml --cores 2 --memory 4
    """
    from heliopolis.steps.check import problems
    from heliopolis.study import Study

    study = Study.load(config)
    _stop_on(problems(study), config)
    _clear_errors(study.results)
    command = [
        *(sys.executable, "-m", "snakemake"),
        *("--snakefile", str(snakefile())),
        *("--configfile", str(config.resolve())),
        *("--cores", str(cores), "--resources", f"mem_mb={int(memory * 1000)}"),
        f"network={_NETWORK_JOBS}",
        *("--rerun-incomplete", "--keep-going", "--nocolor"),
        *(("--profile", str(profile.resolve())) if profile else ()),
        *(() if offline else _search_again(study)),
        *context.args,
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "GDAL_NUM_THREADS": "2"}
    if offline:
        environment["HELIOPOLIS_OFFLINE"] = "1"
    started = time.monotonic()
    status = _follow(command, environment, study.results)
    if status != 0:
        _fail(study.results)
    print(
        f"heliopolis: done in {time.monotonic() - started:.0f} s; open the project in QGIS, "
        "or report.html and map.html in a browser",
        file=sys.stderr,
    )
    print(study.results.resolve())


#: Jobs that may talk to archives at the same time; each keeps its own manners besides.
_NETWORK_JOBS = 4
#: A search over the network is repeated when the last one is older than this [s].
_SEARCH_AGE_S = 12 * 3600


def _search_again(study: Study) -> tuple[str, ...]:
    """Ask the archives for new scenes, unless that was done a short while ago."""
    pinned = study.results / "work" / "scenes.json"
    if not study.asks_archives or not pinned.is_file():
        return ()
    old = time.time() - pinned.stat().st_mtime > _SEARCH_AGE_S
    return ("--forcerun", "search") if old else ()


def snakefile() -> Path:
    """The workflow: beside the package in a checkout, inside it when installed from a wheel."""
    import heliopolis

    package = Path(heliopolis.__file__).parent
    for candidate in (package.parents[1] / "Snakefile", package / "workflow" / "Snakefile"):
        if candidate.is_file():
            return candidate
    raise ConfigError("the workflow file was not installed", remedy="Install heliopolis again")


def _stop_on(found: list[str], config: Path) -> None:
    if found:
        count = f"{len(found)} problem{'s' if len(found) > 1 else ''} found before the start"
        raise ConfigError(count, where=str(config), remedy=" | ".join(found))


def _clear_errors(results: Path) -> None:
    for old in (results / "work" / "errors").glob("*.txt"):
        old.unlink()


_STEP = re.compile(r"(\d+) of (\d+) steps \((\d+)%\) done")
_RULE = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):")
_DONE = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)")


def _follow(command: list[str], environment: dict[str, str], results: Path) -> int:
    """Run Snakemake; its output goes to a log, one line for each finished job to stderr."""
    logs = results / "work" / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / "snakemake.log"
    last = ""
    with (
        log.open("w", encoding="utf-8") as sink,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            errors="replace",
        ) as process,
    ):
        for line in process.stdout or ():
            sink.write(line)
            if done := _DONE.match(line):
                last = done.group(1)
            elif step := _STEP.search(line):
                print(
                    f"heliopolis: [{step.group(3):>3}%] {step.group(1)} of {step.group(2)}  {last}",
                    file=sys.stderr,
                )
            elif line.startswith("heliopolis:") or "Nothing to be done" in line:
                print(line.rstrip(), file=sys.stderr)
    return process.returncode


def _fail(results: Path) -> None:
    errors = sorted((results / "work" / "errors").glob("*.txt"))
    if errors:
        text = " | ".join(error.read_text(encoding="utf-8").strip() for error in errors)
        raise HeliopolisError(
            f"{len(errors)} job{'s' if len(errors) > 1 else ''} failed: {text}",
            remedy="Mend the cause and run the same command again: it goes on where it stopped",
        )
    raise HeliopolisError(
        "the workflow failed",
        where=str(results / "work" / "logs" / "snakemake.log"),
        remedy="The log tells the cause; run the same command again to go on where it stopped",
    )


def plan(config: ConfigPath) -> None:
    """Say what a run would take: scenes, tiles, bytes, disk and time; nothing is downloaded.

    Example: heliopolis plan configs/demo/config.yaml
    """
    from heliopolis.steps.check import problems
    from heliopolis.steps.forecast import forecast
    from heliopolis.study import Study

    study = Study.load(config)
    _stop_on(problems(study), config)
    for line in forecast(study):
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
