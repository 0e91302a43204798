"""A real STAC API on free ports of 127.0.0.1: stac-fastapi-pgstac over PostgreSQL and PostGIS.

``with serving(collections, items) as service: ... service.url`` starts everything in a temporary
folder and ends it by its process ids; it skips where a part is missing. The API runs from the
environment named by ``HELIOPOLIS_STAC_VENV`` (default ``.venv-stac``, see install.sh).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
POSTGRES = Path("/usr/lib/postgresql/15/bin")
_SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 60
"""


@dataclass(frozen=True)
class Service:
    """A running database and where its programs lie."""

    folder: Path
    environment: Mapping[str, str]
    programs: Path
    url: str = ""


def _environment_folder() -> Path:
    named = os.environ.get("HELIOPOLIS_STAC_VENV")
    return Path(named) if named else REPOSITORY / ".venv-stac"


def missing() -> str:
    """What lacks for the service to run; empty where nothing does."""
    if not (POSTGRES / "initdb").exists():
        return f"PostgreSQL 15 is not installed ({POSTGRES})"
    if not Path("/usr/share/postgresql/15/extension/postgis.control").exists():
        return "PostGIS for PostgreSQL 15 is not installed"
    if not (_environment_folder() / "bin" / "pypgstac").exists():
        return f"stac-fastapi-pgstac is not installed in {_environment_folder()}"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "setpriv is not installed, and PostgreSQL does not run as root"
    return ""


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as_postgres(command: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


@contextmanager
def _ended(process: subprocess.Popen[bytes], how: signal.Signals) -> Iterator[None]:
    """End the process on leaving, by its id."""
    try:
        yield
    finally:
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(ready: Any, what: str, log: Path) -> None:
    for _ in range(240):
        if ready():
            return
        time.sleep(0.25)
    raise RuntimeError(f"{what} did not start: {log.read_text()[-2000:]}")


@contextmanager
def _database(folder: Path) -> Iterator[Service]:
    """PostgreSQL with an empty pgstac schema."""
    port = free_port()
    data, log = folder / "db", folder / "postgres.log"
    make = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"]
    command = _as_postgres([str(POSTGRES / "initdb"), "-D", str(data), *make])
    subprocess.run(command, check=True, capture_output=True, cwd="/")
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(_SETTINGS.format(port=port, folder=folder))
    environment = {
        **os.environ,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": "postgres",
        "PGPASSWORD": "x",
        "PGDATABASE": "postgis",
    }
    programs = _environment_folder() / "bin"
    service = Service(folder, environment, programs)
    with log.open("wb") as out:
        command = _as_postgres([str(POSTGRES / "postgres"), "-D", str(data)])
        server = subprocess.Popen(command, stdout=out, stderr=out, cwd="/")
        with _ended(server, signal.SIGINT):
            check = [str(POSTGRES / "pg_isready"), "-q", "-d", "postgres"]
            _wait(
                lambda: subprocess.run(check, env=environment, check=False).returncode == 0,
                "PostgreSQL",
                log,
            )
            run(service, [str(POSTGRES / "createdb"), "postgis"])
            run(service, [str(programs / "pypgstac"), "migrate"])
            yield service


def run(service: Service, command: list[str]) -> None:
    """Run a program against the database."""
    done = subprocess.run(
        command, env=dict(service.environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def load(service: Service, kind: str, records: Iterable[Mapping[str, Any]]) -> None:
    """Load ``collections`` or ``items``."""
    file = service.folder / f"{kind}.ndjson"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    run(
        service,
        [str(service.programs / "pypgstac"), "load", kind, str(file), "--method", "upsert"],
    )


@contextmanager
def api(service: Service, extensions: str | None = None) -> Iterator[str]:
    """The API over a loaded database; ``extensions`` limits it to some. Gives its address."""
    port = free_port()
    environment = dict(service.environment)
    if extensions is not None:
        environment["ENABLED_EXTENSIONS"] = extensions
    log = service.folder / f"api-{port}.log"
    app = ["--factory", "stac_fastapi.pgstac.app:create_app"]
    command = [str(service.programs / "uvicorn"), *app, "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    with log.open("wb") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd="/")
        with _ended(server, signal.SIGTERM):
            _wait(answers, "the STAC API", log)
            yield url


@contextmanager
def serving(
    collections: Iterable[Mapping[str, Any]], items: Iterable[Mapping[str, Any]]
) -> Iterator[Service]:
    """A STAC API that holds these collections and items; skips the test where it cannot run."""
    lacks = missing()
    if lacks:
        pytest.skip(lacks)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="pgstac-")))
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        database = stack.enter_context(_database(folder))
        load(database, "collections", collections)
        load(database, "items", items)
        url = stack.enter_context(api(database))
        yield Service(folder, database.environment, database.programs, url)
