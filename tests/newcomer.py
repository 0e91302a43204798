"""The path of a newcomer: every command of a README, in order, as it is printed.

Usage: ``python3 -m tests.newcomer [README.md ...]`` from the root of a fresh clone.
Prints each command with the end of what it says, its status and time, and leaves with the number of
commands that failed. Commands on the real examples are left out where their data are not there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

_BLOCK = re.compile(r"^[ \t]*(?:\d+\. )?```sh\n(.*?)^[ \t]*```", re.S | re.M)
#: Lines of its output that are shown of each command.
_TAIL = 12
_DATA = Path(os.environ.get("HELIOPOLIS_DATA", "../shared/data"))


def commands(page: Path) -> list[str]:
    """The commands in the shell blocks of a page, continued lines joined."""
    found = []
    for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = block.replace("\\\n", " ").splitlines()
        found += [line.strip() for line in lines if line.strip()]
    return found


def tried(command: str) -> int:
    """Run one command in a shell and tell what it said; its status."""
    print(f"\n$ {' '.join(command.split())}", flush=True)
    start = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    said = done.stdout.decode(errors="replace").replace("\r", "\n").splitlines()
    print("\n".join(line for line in said[-_TAIL:] if line.strip()))
    print(f"-> {done.returncode} after {time.monotonic() - start:.0f} s", flush=True)
    return done.returncode


def main(pages: list[str]) -> int:
    """All commands of the pages; the number of those that failed."""
    failed = []
    for page in pages:
        for command in commands(Path(page)):
            if "configs/real/" in command and not _DATA.is_dir():
                print(f"\n$ {command}\n-> left out: no data", flush=True)
            elif tried(command):
                failed.append(command)
    print(f"\n{len(failed)} commands failed")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["README.md"]))
