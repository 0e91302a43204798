from __future__ import annotations

import pytest

from heliopolis.errors import InputError
from heliopolis.io.catalogs.door import enter, from_network
from heliopolis.io.remote.client import Client, RemoteError
from heliopolis.io.remote.hosts import HOSTS_VARIABLE, is_allowed, is_internal
from heliopolis.io.remote.judge import redirected
from heliopolis.io.remote.request import Request
from heliopolis.scene import Sensor

INNER = (
    "http://127.0.0.1/x",
    "http://localhost:8080/x",
    "http://169.254.169.254/latest/meta-data",
    "http://10.1.2.3/x",
    "http://192.168.0.1/x",
    "http://[::1]/x",
    "http://[fd00::1]/x",
    "http://0.0.0.0/x",
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://metadata.google.internal/x",
    "http://printer.local/x",
)


def item(href: str) -> dict[str, object]:
    return {
        "type": "Feature",
        "id": "LC09_L2SP_199026_20250621_02_T1",
        "collection": "landsat-c2-l2",
        "properties": {"datetime": "2025-06-21T10:30:00Z"},
        "assets": {"lwir11": {"href": href}},
    }


def entered(href: str, **origin: str) -> dict[str, object]:
    resolve = from_network(**origin)
    return enter(item(href), Sensor.LANDSAT_L2, catalog="c", resolve=resolve)


@pytest.mark.parametrize("url", INNER)
def test_the_inner_network_is_not_reached_from_outside(url: str) -> None:
    assert is_internal(url)
    with pytest.raises(InputError, match="inner network"):
        entered(url, catalog="https://stac.example/v1")
    request = Request("GET", "http://a.example/x", "item")
    with pytest.raises(RemoteError, match="inner network"):
        redirected(request, request.url, url)


@pytest.mark.parametrize(
    "href",
    ["../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "ftp://a.example/x", "data:text,x",
     "gopher://a.example", "\\\\host\\share", "http:///x", "/vsicurl/http://a.example/x.tif"],
)  # fmt: skip
def test_an_item_from_the_network_reaches_no_file(href: str) -> None:
    with pytest.raises(InputError, match="item from the network may not"):
        entered(href, catalog="https://stac.example/v1")


def test_a_service_of_ones_own_may_point_at_itself() -> None:
    assert entered("http://127.0.0.1:9000/b.tif", catalog="http://127.0.0.1:8000")["assets"]


def test_only_the_hosts_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOSTS_VARIABLE, "stac.example, *.archive.example")
    assert is_allowed("https://stac.example/a") and is_allowed("https://a.archive.example/b")
    assert not is_allowed("https://stac.example.evil.example/a")
    with pytest.raises(RemoteError, match="not a host that the configuration allows"):
        Client(offline=False).get("https://other.example/x?key=secret", what="item")
