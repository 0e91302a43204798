"""Secrets of the environment and of addresses are in nothing that a run writes or prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.bench.chaos import configuration

SECRETS = {
    "EARTHDATA_TOKEN": "planted-earthdata-4711",
    "CDSE_PASSWORD": "planted-cdse-4712",
    "AWS_SECRET_ACCESS_KEY": "planted-aws-4713",
    "PC_SDK_SUBSCRIPTION_KEY": "planted-pc-4714",
    "SOME_PASSWORD": "planted-some-4715",
}


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_secrets_do_not_appear(city: Path, tmp_path: Path) -> None:
    """A run that works, one that cannot reach its catalog, and one whose address holds a key."""
    whole = configuration(city, tmp_path / "whole")
    record = yaml.safe_load(whole.read_text())
    urls = {
        "unreachable": "http://127.0.0.1:9/stac",
        "user": "http://me:planted-user-4716@127.0.0.1:9/stac",
        "query": "http://127.0.0.1:9/stac?key=planted-query-4717",
    }
    folders = {"whole": tmp_path / "whole"}
    for name, url in urls.items():
        folders[name] = tmp_path / name
        folders[name].mkdir()
        sources = [{"kind": "stac", "catalog": url, "collections": ["landsat-c2-l2"]}]
        text = yaml.safe_dump({**record, "thermal": {"sources": sources}})
        (folders[name] / "town.yaml").write_text(text)
    for name, folder in folders.items():
        words = [sys.executable, "-m", "heliopolis.cli", "run", "town.yaml"]
        told = subprocess.run(
            words, cwd=folder, env={**os.environ, **SECRETS}, capture_output=True, check=False
        )
        assert (told.returncode == 0) == (name == "whole"), told.stderr
        assert b"Traceback" not in told.stderr
        (folder / "town.yaml").unlink()
        everything = told.stdout + told.stderr + written(folder)
        for secret in (*SECRETS.values(), "planted-user-4716", "planted-query-4717"):
            assert secret.encode() not in everything, (name, secret)
