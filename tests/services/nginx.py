"""A real nginx over a folder, on a free port of 127.0.0.1, that counts what it sent.

``with serving(folder) as server: ... server.url("a.tif") ... server.hits()``; in a test module a
fixture that yields from it is enough. It skips where nginx is missing.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_CONFIGURATION = """
daemon off; worker_processes 1; pid {run}/nginx.pid; error_log {run}/error.log warn; {user}
events {{ worker_connections 256; }}
http {{
  log_format hits '$request_method\t$status\t$body_bytes_sent\t$bytes_sent\t$uri\t$http_range';
  access_log {run}/access.log hits;
  client_body_temp_path {run}/tmp; proxy_temp_path {run}/tmp; fastcgi_temp_path {run}/tmp;
  uwsgi_temp_path {run}/tmp; scgi_temp_path {run}/tmp;
  sendfile on; tcp_nodelay on; keepalive_timeout 65; keepalive_requests 100000;
  types {{ image/tiff tif tiff; application/json json geojson; image/jp2 jp2; }}
  default_type application/octet-stream;
  server {{ listen 127.0.0.1:{port}; root {folder}; autoindex off; {extra} }}
}}
"""


@dataclass(frozen=True)
class Hit:
    """One answered request.

    Attributes
    ----------
    method, status, path
        As in the request and the answer; the path begins with a slash and has no query.
    body_bytes, bytes
        Bytes sent without and with the header.
    range
        The Range header, or "-".
    """

    method: str
    status: int
    body_bytes: int
    bytes: int
    path: str
    range: str


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes
    ----------
    base
        URL of the folder, without a slash at the end.
    folder
        What is served.
    log
        The access log.
    """

    base: str
    folder: Path
    log: Path

    def url(self, name: str) -> str:
        """URL of a file, its path relative to the folder."""
        return f"{self.base}/{name.lstrip('/')}"

    def hits(self) -> list[Hit]:
        """All requests answered so far, since `forget`; complete when this returns."""
        mark = f"/mark-{uuid.uuid4().hex}"
        urllib.request.urlopen(self.base + "/" + mark.lstrip("/") + ".done", timeout=10).close()
        for _ in range(500):
            text = self.log.read_text(encoding="utf-8", errors="replace")
            if mark in text:
                lines = [line.split("\t") for line in text.splitlines()]
                return [
                    Hit(line[0], int(line[1]), int(line[2]), int(line[3]), line[4], line[5])
                    for line in lines
                    if not line[4].startswith("/mark-")
                ]
            time.sleep(0.01)
        raise TimeoutError("nginx did not write its log")

    def forget(self) -> None:
        """Start counting anew."""
        self.hits()
        with self.log.open("r+") as stream:
            stream.truncate()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def nginx_binary() -> str | None:
    """Path of nginx, or None."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def serving(folder: Path, *, extra: str = "") -> Iterator[Server]:
    """Run nginx over ``folder`` until the block ends.

    ``extra`` is put into the server block as it is, such as ``limit_rate 1m;``.
    """
    binary = nginx_binary()
    if binary is None:
        pytest.skip("nginx is missing: install the package nginx")
    with TemporaryDirectory(prefix="nginx-") as name:
        run = Path(name)
        port = free_port()
        (run / "tmp").mkdir()
        (run / "nginx.conf").write_text(
            _CONFIGURATION.format(
                run=run,
                port=port,
                folder=folder.resolve(),
                user="user root;" if os.geteuid() == 0 else "",
                extra="location ~ ^/mark- { return 204; } " + extra,
            )
        )
        process = subprocess.Popen(
            [binary, "-p", str(run), "-c", str(run / "nginx.conf"), "-e", str(run / "error.log")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(process, port, run / "error.log")
            yield Server(f"http://127.0.0.1:{port}", folder, run / "access.log")
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, errors: Path) -> None:
    for _ in range(500):
        if process.poll() is not None:
            said = errors.read_text() if errors.exists() else ""
            raise RuntimeError(f"nginx ended at once: {said}")
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise TimeoutError("nginx does not listen")
