"""Fetching the blocks of a planned TIFF into its file: at the same time, each one checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, ThreadPoolExecutor, wait
from pathlib import Path

from heliopolis.io.remote.deflate import DEFLATE
from heliopolis.io.remote.tiff_copy import Block, Copy
from heliopolis.io.remote.tiff_plain import Plain

#: Reads bytes ``start`` to ``stop - 1``; ``confirm`` where nothing else vouches for them.
ReadRange = Callable[[int, int, bool], bytes]

_JOIN_GAP_BYTES = 16 * 1024
_JOIN_LIMIT_BYTES = 5 * 2**20
THREADS = 8


class DamagedBlockError(Exception):
    """A block comes damaged again and again."""


def fetch_blocks(
    plan: Copy | Plain,
    path: Path,
    read: ReadRange,
    *,
    attempts: int,
    workers: Executor | None = None,
) -> None:
    """Write the file that ``plan`` describes; at no time more than a few blocks are held.

    Parameters
    ----------
    plan
        Made by `plan_copy` or `plan_plain`.
    path
        File to write.
    read
        Reads from the source; called from several threads.
    attempts
        How often a damaged block is read.
    workers
        Threads to share with others; own ones by default.

    Raises
    ------
    DamagedBlockError
        Where a block is damaged each time.
    """
    with path.open("w+b") as stream:
        stream.write(plan.head)
        stream.flush()
        # A full disk is to be told now, and not to end the process on writing to mapped memory.
        os.posix_fallocate(stream.fileno(), 0, plan.size)
        groups = join_blocks(plan.blocks)

        def one(group: Sequence[Block]) -> None:
            _fetch_group(plan, group, stream.fileno(), read, attempts)

        if len(groups) < 2:
            for group in groups:
                one(group)
        elif workers is not None:
            _together(workers, one, groups)
        else:
            with ThreadPoolExecutor(min(THREADS, len(groups)), "blocks") as own:
                _together(own, one, groups)


def join_blocks(blocks: Sequence[Block]) -> list[list[Block]]:
    """Blocks that are read at once: close together in the source, and not too many bytes."""
    groups: list[list[Block]] = []
    stop = 0
    for block in sorted(blocks, key=lambda block: (block.source, block.target)):
        end = block.source + block.count
        vouched = block.compression in DEFLATE
        if (
            groups
            and 0 <= block.source - stop <= _JOIN_GAP_BYTES
            and end - groups[-1][0].source <= _JOIN_LIMIT_BYTES
            and (groups[-1][0].compression in DEFLATE) == vouched
        ):
            groups[-1].append(block)
        else:
            groups.append([block])
        stop = end
    return groups


def _together(
    workers: Executor, one: Callable[[Sequence[Block]], None], groups: list[list[Block]]
) -> None:
    futures = [workers.submit(one, group) for group in groups]
    try:
        for future in wait(futures, return_when=FIRST_EXCEPTION).done:
            future.result()
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


def _fetch_group(
    plan: Copy | Plain, group: Sequence[Block], file: int, read: ReadRange, attempts: int
) -> None:
    start, last = group[0].source, group[-1]
    vouched = last.compression in DEFLATE
    body = memoryview(read(start, last.source + last.count, not vouched))
    for block in group:
        part = body[block.source - start :][: block.count]
        if not plan.keep(file, block, part):
            _read_again(plan, block, file, read, attempts)


def _read_again(
    plan: Copy | Plain, block: Block, file: int, read: ReadRange, attempts: int
) -> None:
    """Read one block until it is sound; one with bytes that no checksum covers is confirmed."""
    for number in range(1, attempts):
        confirm = number > 1
        part = read(block.source, block.source + block.count, confirm)
        if plan.keep(file, block, part) or (confirm and plan.keep(file, block, part, True)):
            return
    raise DamagedBlockError(
        f"the block at byte {block.source} does not agree with its checksum, {attempts} times read"
    )
