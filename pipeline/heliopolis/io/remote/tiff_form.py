"""How the numbers and directories of a TIFF are written."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heliopolis.io.remote.tiff import TYPES, TiffError, UnsupportedTiffError

CLASSIC_LIMIT = 2**32 - 1

#: Type, count and values, as stored.
Field = tuple[int, int, bytes]


@dataclass(frozen=True)
class Form:
    """How numbers and directories are written."""

    order: str
    big: bool

    @property
    def head_size(self) -> int:
        """Size of what comes before the first directory [bytes]."""
        return 16 if self.big else 8

    @property
    def _inline(self) -> int:
        return 8 if self.big else 4

    def head(self) -> bytes:
        """What comes before the first directory."""
        name = b"II" if self.order == "<" else b"MM"
        if self.big:
            return name + struct.pack(self.order + "HHHQ", 43, 8, 0, 16)
        return name + struct.pack(self.order + "HI", 42, 8)

    def shorts(self, values: Sequence[int]) -> Field:
        """Field of 16 bits."""
        return 3, len(values), np.array(values, self.order + "u2").tobytes()

    def longs(self, values: Sequence[int]) -> Field:
        """Field of 32 bits."""
        return 4, len(values), np.array(values, self.order + "u4").tobytes()

    def doubles(self, values: Sequence[float]) -> Field:
        """Field of floats of 64 bits."""
        return 12, len(values), np.array(values, self.order + "f8").tobytes()

    def offsets(self, values: Sequence[int]) -> Field:
        """Field of places in the file."""
        if not self.big and max(values, default=0) > CLASSIC_LIMIT:
            raise UnsupportedTiffError("the copy needs more than 4 GiB")
        kind, code = (16, "u8") if self.big else (4, "u4")
        return kind, len(values), np.array(values, self.order + code).tobytes()

    def size(self, fields: Mapping[int, Field], blocks: int) -> int:
        """Size of a directory whose two tables of blocks are still to come [bytes]."""
        sizes = [len(values) for _, _, values in fields.values()]
        sizes += [blocks * self._inline] * 2
        table = (8 + 20 * len(sizes) + 8) if self.big else (2 + 12 * len(sizes) + 4)
        return _even(table) + sum(_even(size) for size in sizes if size > self._inline)

    def directory(self, fields: Mapping[int, Field], where: int, *, last: bool) -> bytes:
        """A directory at byte ``where`` with its values behind it."""
        inline = self._inline
        pointer = self.order + ("Q" if self.big else "I")
        table = [struct.pack(self.order + ("Q" if self.big else "H"), len(fields))]
        values_at = where + _even(
            (8 + 20 * len(fields) + 8) if self.big else (2 + 12 * len(fields) + 4)
        )
        behind = b""
        for tag, (kind, count, values) in sorted(fields.items()):
            _check_size(kind, count, values)
            table.append(struct.pack(self.order + ("HHQ" if self.big else "HHI"), tag, kind, count))
            if len(values) <= inline:
                table.append(values.ljust(inline, b"\0"))
            else:
                table.append(struct.pack(pointer, values_at + len(behind)))
                behind += values.ljust(_even(len(values)), b"\0")
        end = values_at + len(behind)
        table.append(struct.pack(pointer, 0 if last else end))
        head = b"".join(table)
        return head.ljust(_even(len(head)), b"\0") + behind


def _check_size(kind: int, count: int, values: bytes) -> None:
    """Raise `TiffError` where values do not have the size that their field claims."""
    if TYPES[kind][0] * count != len(values):
        raise TiffError("a field of the TIFF has another size than it claims")


def _even(size: int) -> int:
    return size + size % 2
