"""Access to remote archives: one client and one cache for a process."""

from __future__ import annotations

from functools import cache

from heliopolis.io.remote.cache import default_cache
from heliopolis.io.remote.client import Client
from heliopolis.io.remote.progress import Progress
from heliopolis.io.remote.window import Store


@cache
def open_store() -> Store:
    """The client, which keeps to its manners for each host, and the cache that runs share."""
    return Store(client=Client(progress=Progress()), cache=default_cache())
