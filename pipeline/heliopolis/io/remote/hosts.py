"""Which hosts may be asked: those that the configuration allows, and none behind the door."""

from __future__ import annotations

import ipaddress
import os
from fnmatch import fnmatch
from urllib.parse import urlsplit

#: Hosts that may be asked, separated by commas, ``*`` for any part; empty: any public host.
HOSTS_VARIABLE = "HELIOPOLIS_HOSTS"
_INNER = ("localhost", "*.localhost", "*.local", "*.internal", "*.lan", "*.home.arpa")


def is_internal(url: str) -> bool:
    """Whether an address leads to this machine or its own network, by what it says itself.

    Names are not looked up: a public name that points inwards is for the firewall to stop.

    >>> [is_internal(u) for u in ("http://169.254.169.254/x", "http://[::1]/", "https://a.example")]
    [True, True, False]
    >>> [is_internal(u) for u in ("http://2130706433/", "http://0x7f.1/", "http://10.0.0.8:80/")]
    [True, True, True]
    """
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if any(fnmatch(host, pattern) for pattern in _INNER):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        # A host of numbers alone is an address in another spelling, which no archive has.
        parts = host.split(".")
        return bool(host) and all(part.isdigit() or part.startswith("0x") for part in parts)


def is_allowed(url: str) -> bool:
    """Whether the host of an address is one of those that the run may ask.

    >>> is_allowed("https://anything.example/x")
    True
    """
    patterns = [one.strip() for one in os.environ.get(HOSTS_VARIABLE, "").split(",") if one.strip()]
    host = (urlsplit(url).hostname or "").lower()
    return not patterns or any(fnmatch(host, pattern.lower()) for pattern in patterns)
