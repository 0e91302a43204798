"""Fuzzing of every reader, led by the branches that an input takes in our code.

``python -m tests.hostile.fuzz FOLDER [--seconds 60] [FORMAT ...]`` mutates the files of the
corpus for that long for each format, and keeps in FOLDER what did harm: another error than ours,
a hang of more than 30 s, more than 4 GB, or the end of the process. Prints one JSON line for each
format; ends with the number of those with a finding. Needs atheris, which is not in the lock:
``uv pip install atheris``.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from heliopolis.errors import HeliopolisError
from tests.hostile.corpus import FORMATS, write_corpus

SECONDS, MEMORY_MB, LONGEST = 30, 4096, 60_000
#: Modules whose branches lead the search.
_LED_BY = ["heliopolis", "yaml", "roofnet", "pystac", "laspy"]


def fuzz(name: str, folder: Path, seconds: int) -> None:
    """Mutate files of one format until the time is over; does not return."""
    import atheris

    with atheris.instrument_imports(include=_LED_BY):
        from tests.hostile.test_hostile import READ

    path = folder / f"input{FORMATS[name][0]}"
    out = folder / "out"
    out.mkdir(exist_ok=True)

    def one(body: bytes) -> None:
        path.write_bytes(body)
        try:
            READ[name](path, out)
        except HeliopolisError as error:
            text = str(error)
            if "\n" in text or len(text) > 3000:
                raise AssertionError(f"not a message: {text[:300]}") from error

    seeds, found = folder / "seeds", folder / "found"
    for place in (seeds, found):
        place.mkdir(exist_ok=True)
    for file in write_corpus(folder / "corpus", [name]):
        body = file.read_bytes()
        if len(body) <= LONGEST:
            (seeds / file.stem).write_bytes(body)
    # What is imported on first use is instrumented then, which takes its time.
    for seed in sorted(seeds.iterdir()):
        one(seed.read_bytes())
    limits = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY_MB}"]
    limits += [f"-timeout={SECONDS}", f"-report_slow_units={SECONDS}"]
    atheris.Setup(
        [sys.argv[0], *limits, f"-max_len={LONGEST}", f"-artifact_prefix={found}/", str(seeds)],
        one,
    )
    atheris.Fuzz()


def main() -> int:
    """Fuzz each format in a process of its own; the number of those with a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("formats", nargs="*", choices=[[], *FORMATS])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--one", choices=list(FORMATS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.folder.resolve()
    if given.one:
        fuzz(given.one, folder, given.seconds)
    bad = 0
    for name in given.formats or list(FORMATS):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "tests.hostile.fuzz", str(place), "--one", name]
        log = place / "log.txt"
        with log.open("w") as sink:
            status = subprocess.run(
                [*words, "--seconds", str(given.seconds)], stdout=sink, stderr=sink
            ).returncode
        text = log.read_text(errors="replace")
        runs = re.findall(r"^#(\d+)", text, flags=re.MULTILINE)
        kept = sorted(path.name for path in (place / "found").glob("*"))
        told = {"format": name, "status": status, "inputs": int(runs[-1]) if runs else 0}
        print(json.dumps({**told, "found": kept}), flush=True)
        bad += bool(kept) or status != 0
    return bad


if __name__ == "__main__":
    raise SystemExit(main())
