"""Tokens and signatures of the archives that ask for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import keyring
import keyring.errors
import pytest

from heliopolis.io.remote.client import Answer, Client, CorruptError, RemoteError
from heliopolis.io.remote.tokens import (
    CopernicusS3,
    CopernicusToken,
    LandsatRequesterPays,
    PlanetaryComputer,
    signer_for,
)

BLOB = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/32/T/B04.tif"
ODATA = "https://download.dataspace.copernicus.eu/odata/v1/Products(1)/$value"
NAMES = (
    "CDSE_USERNAME",
    "CDSE_PASSWORD",
    "CDSE_S3_ACCESS_KEY",
    "CDSE_S3_SECRET_KEY",
    "PC_SDK_SUBSCRIPTION_KEY",
)


class Service(Client):
    """Answers as the token services do, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(offline=False)
        self.now = datetime(2026, 7, 1, 12, tzinfo=UTC)
        self.lasts = timedelta(minutes=45)
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.told: object = None

    def time(self) -> datetime:
        return self.now

    def get(self, url: str, *, headers: object = None, **rest: object) -> Answer:  # type: ignore[override]
        self.asked.append((url, dict(headers or {}), b""))  # type: ignore[call-overload]
        end = (self.now + self.lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._answer(url, {"msft:expiry": end, "token": f"se=1&sig=t{len(self.asked)}"})

    def post(self, url: str, body: bytes, **rest: object) -> Answer:  # type: ignore[override]
        self.asked.append((url, {}, body))
        seconds = self.lasts.total_seconds()
        return self._answer(url, {"access_token": f"t{len(self.asked)}", "expires_in": seconds})

    def _answer(self, url: str, told: dict[str, object]) -> Answer:
        body = json.dumps(told if self.told is None else self.told).encode()
        return Answer(200, {}, body, url)


@pytest.fixture(autouse=True)
def ring(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A keyring of this test alone, and no key in the environment."""
    kept: dict[str, str] = {}
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(keyring, "get_password", lambda service, name: kept.get(name))
    return kept


@pytest.fixture
def service() -> Service:
    return Service()


def test_planetary_computer_asks_once_for_each_container(service: Service) -> None:
    signer = PlanetaryComputer(service, now=service.time)
    assert signer.sign(BLOB) == (f"{BLOB}?se=1&sig=t1", {})
    assert signer.sign(BLOB + "x")[0].endswith("x?se=1&sig=t1")
    assert signer.sign(BLOB.replace("sentinel2-l2/", "other/"))[0].endswith("sig=t2")
    assert [url.rpartition("/v1/")[2] for url, _, _ in service.asked] == [
        "token/sentinel2l2a01/sentinel2-l2",
        "token/sentinel2l2a01/other",
    ]


def test_token_is_renewed_before_its_end(service: Service) -> None:
    signer = PlanetaryComputer(service, now=service.time)
    signer.sign(BLOB)
    service.now += timedelta(minutes=40)
    assert signer.sign(BLOB)[0].endswith("sig=t1")
    service.now += timedelta(seconds=1)
    assert signer.sign(BLOB)[0].endswith("sig=t2")
    signer.renew()
    assert signer.sign(BLOB)[0].endswith("sig=t3")


def test_token_that_is_short_from_the_start_is_not_asked_for_each_time(service: Service) -> None:
    service.lasts = timedelta(minutes=2)
    signer = PlanetaryComputer(service, now=service.time)
    for _ in range(5):
        signer.sign(BLOB)
    assert len(service.asked) == 1


def test_planetary_computer_leaves_other_addresses_alone(service: Service) -> None:
    signer = PlanetaryComputer(service)
    for url in (
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        "https://ai4edatasetspublicassets.blob.core.windows.net/assets/x.png",
        "https://blob.core.windows.net.example/a/b",
        f"{BLOB}?se=1&sig=already",
    ):
        assert signer.sign(url) == (url, {})
    assert service.asked == []


def test_subscription_key_is_sent(service: Service, ring: dict[str, str]) -> None:
    ring["PC_SDK_SUBSCRIPTION_KEY"] = "k"
    PlanetaryComputer(service).sign(BLOB)
    assert service.asked[0][1] == {"Ocp-Apim-Subscription-Key": "k"}


@pytest.mark.parametrize("told", [[], {}, {"token": "x"}, {"token": "x", "msft:expiry": "soon"}])
def test_answer_without_token_is_an_error(service: Service, told: object) -> None:
    service.told = told
    with pytest.raises(CorruptError, match="holds no token"):
        PlanetaryComputer(service).sign(BLOB)


def test_copernicus_token(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.lasts = timedelta(minutes=10)
    monkeypatch.setenv("CDSE_USERNAME", "me@town.example")
    monkeypatch.setenv("CDSE_PASSWORD", "p&w")
    signer = CopernicusToken(service, now=service.time)
    assert signer.sign(ODATA) == (ODATA, {"Authorization": "Bearer t1"})
    catalogue = ODATA.replace("download", "catalogue")
    assert signer.sign(catalogue) == (ODATA, {"Authorization": "Bearer t1"})
    for elsewhere in ("https://example.org/x", "https://evildataspace.copernicus.eu/x"):
        assert signer.sign(elsewhere) == (elsewhere, {})
    assert b"username=me%40town.example&password=p%26w" in service.asked[0][2]
    service.now += timedelta(minutes=6)
    assert signer.sign(ODATA)[1] == {"Authorization": "Bearer t2"}


def test_absent_keys_are_named(service: Service, ring: dict[str, str]) -> None:
    ring["CDSE_USERNAME"] = "me"
    with pytest.raises(RemoteError, match=r"No CDSE_PASSWORD.*keyring set heliopolis"):
        CopernicusToken(service).sign(ODATA)
    with pytest.raises(RemoteError, match="No CDSE_S3_ACCESS_KEY"):
        CopernicusS3().sign("s3://eodata/x")


def test_keyring_that_does_not_work_counts_as_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: str) -> None:
        raise keyring.errors.NoKeyringError

    monkeypatch.setattr(keyring, "get_password", broken)
    with pytest.raises(RemoteError, match="No CDSE_S3_ACCESS_KEY"):
        CopernicusS3().sign("s3://eodata/x")


def test_s3_signature(ring: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.auth

    ring |= {"CDSE_S3_ACCESS_KEY": "AKIDEXAMPLE", "CDSE_S3_SECRET_KEY": "secret"}
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC).replace(tzinfo=None)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment, raising=True)
    key = "Sentinel-2/MSI/L2A/2026/06/30/S2B.SAFE/GRANULE/B04 (1).jp2"
    url, headers = CopernicusS3().sign(f"s3://eodata/{key}")
    path = "/eodata/Sentinel-2/MSI/L2A/2026/06/30/S2B.SAFE/GRANULE/B04%20%281%29.jp2"
    assert url == f"https://eodata.dataspace.copernicus.eu{path}"
    assert headers["X-Amz-Date"] == "20260701T120000Z"
    assert headers["Authorization"].endswith(_signature(path, headers, "secret"))
    assert "Credential=AKIDEXAMPLE/20260701/default/s3/aws4_request" in headers["Authorization"]
    elsewhere = "https://example.org/x"
    assert CopernicusS3().sign(elsewhere) == (elsewhere, {})


def test_requester_pays(ring: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.auth

    signer = LandsatRequesterPays()
    key = "collection02/level-2/standard/oli-tirs/2026/195/028/LC09/LC09_ST_B10.TIF"
    with pytest.raises(RemoteError, match="No AWS_ACCESS_KEY_ID"):
        signer.sign(f"s3://usgs-landsat/{key}")
    ring |= {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "session",
    }
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC).replace(tzinfo=None)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment, raising=True)
    url, headers = signer.sign(f"s3://usgs-landsat/{key}")
    host = "usgs-landsat.s3.us-west-2.amazonaws.com"
    assert url == f"https://{host}/{key}"
    assert headers["x-amz-request-payer"] == "requester"
    assert headers["X-Amz-Security-Token"] == "session"
    signed = headers["Authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"x-amz-request-payer", "x-amz-security-token"} <= set(signed)
    expected = _signature(f"/{key}", headers, "secret", host=host, region="us-west-2")
    assert headers["Authorization"].endswith(expected)
    assert signer.sign("https://example.org/x") == ("https://example.org/x", {})


def _signature(
    path: str,
    headers: object,
    secret: str,
    host: str = "eodata.dataspace.copernicus.eu",
    region: str = "default",
) -> str:
    """AWS Signature Version 4 by hand, for a GET without query."""
    import hashlib
    import hmac

    sent = {str(k).lower(): str(v) for k, v in dict(headers).items()}  # type: ignore[call-overload]
    sent["host"] = host
    names = sent["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    signed = "".join(f"{name}:{sent[name]}\n" for name in names.split(";"))
    canonical = f"GET\n{path}\n\n{signed}\n{names}\n{sent['x-amz-content-sha256']}"
    scope = f"20260701/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{sent['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def test_signer_by_name_and_address(service: Service) -> None:
    assert isinstance(signer_for(BLOB, service), PlanetaryComputer)
    assert signer_for("planetary-computer", service) is signer_for(BLOB, service)
    assert isinstance(signer_for("s3://eodata/Sentinel-2/x", service), CopernicusS3)
    assert isinstance(signer_for("s3://usgs-landsat/x.TIF", service), LandsatRequesterPays)
    s3 = "https://eodata.dataspace.copernicus.eu/eodata/x"
    assert signer_for(s3, service) is signer_for("copernicus-s3", service)
    assert isinstance(signer_for(ODATA, service), CopernicusToken)
    for url in (
        "https://stac.dataspace.copernicus.eu/v1/search",
        "https://catalogue.dataspace.copernicus.eu/stac",
        "https://sentinel-cogs.s3.us-west-2.amazonaws.com/x.tif",
        "s3://sentinel-s2-l2a/x",
        "/data/x.tif",
        "",
    ):
        assert signer_for(url, service) is None
