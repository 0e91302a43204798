"""How far a download is."""

from __future__ import annotations

import io

import pytest

from heliopolis.io.remote.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fetch(progress: Progress, clock: Clock, seconds: int, each: int) -> None:
    for _ in range(seconds):
        clock.now += 1
        progress.add_bytes(each)


def test_a_line_at_most_every_ten_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = Progress(stream, clock)
    progress.expect(100_000_000, 4)
    fetch(progress, clock, 21, 2_000_000)
    progress.scene_done("S2B_1")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("fetched 22.0 MB of 100.0 MB, 0 of 4 scenes, 2.0 MB/s, 0:39 left")
    fetch(progress, clock, 10, 2_000_000)
    assert "1 of 4 scenes" in stream.getvalue().splitlines()[-1]
    progress.close()
    assert "\x1b" not in stream.getvalue()


def test_last_state_is_told_once_and_nothing_where_nothing_came() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(stream, clock):
        pass
    assert stream.getvalue() == ""
    with Progress(stream, clock) as progress:
        progress.add_bytes(3_400_000)
        progress.close()
    assert stream.getvalue() == "fetched 3.4 MB\n"


def test_rate_is_of_the_last_half_minute() -> None:
    clock = Clock()
    progress = Progress(io.StringIO(), clock)
    assert progress.rate() is None
    fetch(progress, clock, 60, 10_000_000)
    fetch(progress, clock, 60, 1_000_000)
    assert progress.rate() == pytest.approx(1_000_000, rel=0.05)


def test_no_time_left_beyond_what_was_expected() -> None:
    clock = Clock()
    progress = Progress(io.StringIO(), clock)
    progress.expect(5_000_000, 1)
    fetch(progress, clock, 10, 1_000_000)
    assert "left" not in progress.line()
    progress.expect(7200 * 1_000_000, 0)
    assert "1:" in progress.line() and "left" in progress.line()


def test_bar_on_a_terminal_gives_the_terminal_back() -> None:
    clock, stream = Clock(), Terminal()
    with Progress(stream, clock) as progress:
        progress.expect(10_000_000, 2)
        fetch(progress, clock, 4, 1_000_000)
    shown = stream.getvalue()
    assert "4.0 MB of 10.0 MB" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
