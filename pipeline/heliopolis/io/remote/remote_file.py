"""A file at an archive that can be read like a local one, fetching only what is looked at."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from contextlib import suppress
from typing import Any

from heliopolis.io.remote.client import Client, RemoteError, Signer

#: Size of the pieces that are fetched and held [bytes].
PIECE_BYTES = 32 * 1024
#: Most bytes that are held, and most that are fetched at once when reading on and on.
HELD_BYTES = 32 * 2**20
AHEAD_BYTES = 2**20


class RemotePieces:
    """Pieces of a remote file, the latest ones held; several readers may share them.

    Attributes
    ----------
    error
        The first error, for where the reader between swallows it; None while all is well.
    etag
        ETag of the file once something was read, which later readings must carry too.
    """

    def __init__(
        self,
        client: Client,
        url: str,
        *,
        what: str,
        signer: Signer | None = None,
        confirm: bool = True,
    ) -> None:
        self._client, self._url, self._what, self._signer = client, url, what, signer
        self._confirm = confirm
        self._lock = threading.RLock()
        self._held: OrderedDict[int, bytes] = OrderedDict()
        self._size: int | None = None
        self._last = -1
        self._ahead = 1
        self.etag: str | None = None
        self.error: RemoteError | None = None

    @property
    def size(self) -> int:
        """Size of the file [bytes]."""
        with self._lock:
            if self._size is None:
                self._fetch(0, 1)
            assert self._size is not None
            return self._size

    def read(self, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop - 1``; fewer at the end of the file."""
        with self._lock:
            stop = min(stop, self.size)
            if start >= stop:
                return b""
            first, last = start // PIECE_BYTES, (stop - 1) // PIECE_BYTES
            found = b"".join(self._pieces(first, last + 1))
            return found[start - first * PIECE_BYTES : stop - first * PIECE_BYTES]

    def _pieces(self, first: int, stop: int) -> list[bytes]:
        found = []
        number = first
        while number < stop:
            if number in self._held:
                self._held.move_to_end(number)
                found.append(self._held[number])
                number += 1
                continue
            end = number + 1
            while end < stop and end not in self._held:
                end += 1
            found += self._fetch(number, end)
            number = end
        return found

    def _fetch(self, first: int, stop: int) -> list[bytes]:
        """Fetch pieces, and more of them the longer the file is read from front to back."""
        self._ahead = min(2 * self._ahead, AHEAD_BYTES // PIECE_BYTES) if first == self._last else 1
        until = max(stop, first + self._ahead)
        if self._size is not None:
            until = min(until, -(-self._size // PIECE_BYTES))
        data = self._read(first * PIECE_BYTES, until * PIECE_BYTES)
        pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]
        for number, piece in enumerate(pieces, first):
            self._held[number] = piece
        while len(self._held) > max(HELD_BYTES // PIECE_BYTES, until - first):
            self._held.popitem(last=False)
        self._last = until
        return pieces[: stop - first]

    def _read(self, start: int, stop: int) -> bytes:
        if self._size is not None:
            stop = min(stop, self._size)
        try:
            answer = self._client.read_range(
                self._url,
                start,
                stop,
                what=self._what,
                signer=self._signer,
                version=self.etag,
                confirm=self._confirm,
            )
        except RemoteError as error:
            self.error = self.error or error
            raise
        if self._size is None:
            total = answer.headers.get("content-range", "").rpartition("/")[2]
            self._size = int(total) if total.isdigit() else start + len(answer.body)
            self.etag = answer.headers.get("etag")
        return answer.body


class RemoteFile(io.RawIOBase):
    """Seekable file over ranges of bytes: for `laspy.CopcReader`, h5py and rasterio's opener.

    Parameters
    ----------
    client, url, what, signer
        As in `Client.read_range`.
    confirm
        Over plain ``http``, read everything until two answers agree; give False only where the
        format is checked otherwise.
    pieces
        What another reader of the same file holds already.
    """

    def __init__(
        self,
        client: Client,
        url: str,
        *,
        what: str,
        signer: Signer | None = None,
        confirm: bool = True,
        pieces: RemotePieces | None = None,
    ) -> None:
        super().__init__()
        self.pieces = pieces or RemotePieces(client, url, what=what, signer=signer, confirm=confirm)
        self._at = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Position [bytes]."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position and return it."""
        if whence == io.SEEK_CUR:
            offset += self._at
        elif whence == io.SEEK_END:
            offset += self.pieces.size
        if offset < 0:
            raise ValueError(f"no such position: {offset}")
        self._at = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer``, whole unless the file ends."""
        found = self.pieces.read(self._at, self._at + len(buffer))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


class GdalFile(RemoteFile):
    """The same for rasterio's opener, which never raises.

    An exception in a reading that GDAL asks for ends the whole process. What cannot be read is
    empty instead, and `RemotePieces.error` must be looked at before anything that GDAL made of
    it is believed.
    """

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer``; nothing after an error."""
        if self.pieces.error is None:
            with suppress(RemoteError):
                return super().readinto(buffer)
        return 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position and return it; the file has no bytes after an error."""
        try:
            return super().seek(offset, whence)
        except (RemoteError, ValueError):
            self._at = 0
            return 0
