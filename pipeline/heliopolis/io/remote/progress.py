"""How far a download is: bytes, scenes, rate, time left."""

from __future__ import annotations


class Progress:
    """Counts what arrives."""

    def add_bytes(self, count: int) -> None:
        """Bytes that arrived."""
