"""Fetching the blocks of a planned TIFF into its file: at the same time, each one checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, ThreadPoolExecutor, wait
from pathlib import Path

from isal import igzip_lib, isal_zlib

from heliopolis.io.remote.tiff_copy import Block, Copy

#: Reads bytes ``start`` to ``stop - 1``; ``confirm`` where nothing else vouches for them.
ReadRange = Callable[[int, int, bool], bytes]

#: Codes of the codec that carries a checksum: Deflate as of Adobe and as of libtiff.
_DEFLATE = frozenset({8, 32946})
_JOIN_GAP_BYTES = 16 * 1024
_JOIN_LIMIT_BYTES = 2 * 2**20
_STEP_BYTES = 64 * 1024
THREADS = 8


class DamagedBlockError(Exception):
    """A block comes damaged again and again."""


def fetch_blocks(
    plan: Copy,
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
        Made by `plan_copy`.
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
    with path.open("wb") as stream:
        stream.write(plan.head)
        stream.truncate(plan.size)
        stream.flush()
        groups = join_blocks(plan.blocks)

        def one(group: Sequence[Block]) -> None:
            _fetch_group(group, stream.fileno(), read, attempts)

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
        vouched = block.compression in _DEFLATE
        if (
            groups
            and 0 <= block.source - stop <= _JOIN_GAP_BYTES
            and end - groups[-1][0].source <= _JOIN_LIMIT_BYTES
            and (groups[-1][0].compression in _DEFLATE) == vouched
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


def _fetch_group(group: Sequence[Block], file: int, read: ReadRange, attempts: int) -> None:
    start, last = group[0].source, group[-1]
    vouched = last.compression in _DEFLATE
    body = memoryview(read(start, last.source + last.count, not vouched))
    for block in group:
        part: memoryview | bytes = body[block.source - start :][: block.count]
        if vouched and not is_sound(part, block.decoded):
            part = _read_again(block, read, attempts)
        _write_at(file, part, block.target)


def _read_again(block: Block, read: ReadRange, attempts: int) -> bytes:
    """Read one block until it is sound; one with bytes that no checksum covers is confirmed."""
    for number in range(1, attempts):
        confirm = number > 1
        part = read(block.source, block.source + block.count, confirm)
        if is_sound(part, block.decoded) or (confirm and is_sound(part, block.decoded, True)):
            return part
    raise DamagedBlockError(
        f"the block at byte {block.source} does not agree with its checksum, {attempts} times read"
    )


def is_sound(data: memoryview | bytes, decoded: int, more: bool = False) -> bool:
    """Whether ``data`` is one zlib stream of at least ``decoded`` bytes with the right checksum.

    ``more`` allows further bytes behind the stream.
    """
    stream = isal_zlib.decompressobj()
    size = 0
    view = memoryview(data)
    try:
        for at in range(0, len(view), _STEP_BYTES):
            size += len(stream.decompress(view[at : at + _STEP_BYTES]))
            if stream.eof:
                ended = at + _STEP_BYTES >= len(view) and not stream.unused_data
                return size >= decoded and (ended or more)
    except igzip_lib.IsalError:  # type: ignore[misc]
        return False
    return False


def _write_at(file: int, data: memoryview | bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(file, view, at)
        view, at = view[done:], at + done
