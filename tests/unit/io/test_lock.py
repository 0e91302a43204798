from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from heliopolis.io.lock import BusyError, last_owner, locked

HOLD = """
import sys, time
from pathlib import Path
from heliopolis.io.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_run_is_refused_and_told_whose_the_first_is(tmp_path: Path) -> None:
    process = holder(tmp_path / "work")
    try:
        owner = f"process {process.pid} on "
        with pytest.raises(BusyError, match=owner) as refused, locked(tmp_path / "work"):
            pass
        assert str(tmp_path) in str(refused.value)
    finally:
        process.kill()
        process.wait()


def test_the_lock_of_a_killed_run_is_taken_over(tmp_path: Path) -> None:
    process = holder(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    dead = last_owner(tmp_path)
    assert dead is not None
    assert dead["pid"] == process.pid
    with locked(tmp_path):
        owner = last_owner(tmp_path)
        assert owner is not None
        assert owner["pid"] == os.getpid()
    assert last_owner(tmp_path) is None


def test_a_child_that_holds_the_descriptor_keeps_the_lock(tmp_path: Path) -> None:
    with locked(tmp_path) as descriptor:
        child = subprocess.Popen(["sleep", "30"], pass_fds=(descriptor,))
    try:
        with pytest.raises(BusyError), locked(tmp_path):
            pass
    finally:
        child.kill()
        child.wait()
    time.sleep(0.05)
    with locked(tmp_path):
        pass


def test_a_run_that_ends_with_an_error_gives_the_folder_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wrong"), locked(tmp_path):
        raise ValueError("wrong")
    assert last_owner(tmp_path) is None
