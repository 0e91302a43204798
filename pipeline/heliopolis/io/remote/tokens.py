"""Tokens and keys of the archives that ask for them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from heliopolis.io.remote.client import Answer, Client, CorruptError, RemoteError, Signer

KEYRING_SERVICE = "heliopolis"

#: https://planetarycomputer.microsoft.com/docs/concepts/sas/
PLANETARY_COMPUTER_URL = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
#: Storage account that needs no token.
_PUBLIC_ACCOUNTS = frozenset({"ai4edatasetspublicassets"})
#: https://documentation.dataspace.copernicus.eu/APIs/S3.html
COPERNICUS_S3_URL = "https://eodata.dataspace.copernicus.eu"
#: https://documentation.dataspace.copernicus.eu/APIs/Token.html
COPERNICUS_TOKEN_URL = (
    "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token"
)
#: https://registry.opendata.aws/usgs-landsat/
LANDSAT_BUCKET = "usgs-landsat"
_LANDSAT_HOST = f"{LANDSAT_BUCKET}.s3.us-west-2.amazonaws.com"
_COPERNICUS_DOWNLOAD = "download.dataspace.copernicus.eu"

#: A token is renewed when it is good for less than this, unless it has only just been given.
NEAR_END = timedelta(minutes=5)
_JUST = timedelta(minutes=1)


@dataclass(frozen=True)
class _Token:
    text: str
    given: datetime
    end: datetime

    def good(self, now: datetime) -> bool:
        return self.end - now >= NEAR_END or now - self.given < _JUST


class _Tokens:
    """Tokens by name, fetched when needed; one thread fetches while the others wait."""

    def __init__(self, fetch: Callable[[str], _Token], now: Callable[[], datetime]) -> None:
        self._fetch, self._now = fetch, now
        self._lock = threading.Lock()
        self._held: dict[str, _Token] = {}

    def text(self, name: str) -> str:
        with self._lock:
            token = self._held.get(name)
            if token is None or not token.good(self._now()):
                token = self._held[name] = self._fetch(name)
            return token.text

    def forget(self) -> None:
        with self._lock:
            self._held.clear()


def _now() -> datetime:
    return datetime.now(UTC)


class PlanetaryComputer:
    """Signs addresses in the storage of the Planetary Computer.

    Parameters
    ----------
    client
        Fetches the tokens, one for each storage container.
    url
        Service that gives tokens.
    storage
        End of the host names of the storage; other addresses are left as they are.
    now
        The time.

    Notes
    -----
    ``PC_SDK_SUBSCRIPTION_KEY`` (environment or keyring) raises the limits of the service; it is
    not needed.
    """

    def __init__(
        self,
        client: Client,
        *,
        url: str = PLANETARY_COMPUTER_URL,
        storage: str = ".blob.core.windows.net",
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._client, self._url, self._storage, self._now = client, url, storage, now
        self._tokens = _Tokens(self._fetch, now)

    def sign(self, url: str) -> tuple[str, Mapping[str, str]]:
        """Append the token of the container as the query."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        account = host.partition(".")[0]
        container = parts.path.lstrip("/").partition("/")[0]
        foreign = not host.endswith(self._storage) or account in _PUBLIC_ACCOUNTS or not container
        if foreign or "sig=" in parts.query:
            return url, {}
        token = self._tokens.text(f"{account}/{container}")
        query = f"{parts.query}&{token}" if parts.query else token
        return urlunsplit((parts.scheme, parts.netloc, parts.path, query, "")), {}

    def renew(self) -> None:
        """Forget all tokens."""
        self._tokens.forget()

    def _fetch(self, name: str) -> _Token:
        what = f"token of the Planetary Computer for {name}"
        key = _secret("PC_SDK_SUBSCRIPTION_KEY")
        headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
        given = self._now()
        answer = self._client.get(f"{self._url}/{name}", what=what, headers=headers)
        told = _fields(answer, what, "token", "msft:expiry")
        try:
            end = datetime.fromisoformat(told["msft:expiry"])
        except ValueError:
            raise _no_token(answer, what) from None
        return _Token(
            told["token"].lstrip("?"), given, end if end.tzinfo else end.replace(tzinfo=UTC)
        )


class CopernicusToken:
    """Adds the access token of a Copernicus Data Space account to each request.

    Parameters
    ----------
    client
        Fetches the tokens.
    url
        Service that gives tokens.
    hosts
        End of the host names that may see the token; other addresses are left as they are.
    now
        The time.

    Notes
    -----
    ``CDSE_USERNAME`` and ``CDSE_PASSWORD`` come from the environment or the keyring. Accounts
    with a second factor cannot be used this way: they need S3 keys.
    """

    def __init__(
        self,
        client: Client,
        *,
        url: str = COPERNICUS_TOKEN_URL,
        hosts: str = "dataspace.copernicus.eu",
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._client, self._url, self._hosts, self._now = client, url, hosts, now
        self._tokens = _Tokens(self._fetch, now)

    def sign(self, url: str) -> tuple[str, Mapping[str, str]]:
        """Add the token as a header; downloads named by the catalogue go to the download host.

        The catalogue redirects them there, and a token does not survive a change of host.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host != self._hosts and not host.endswith("." + self._hosts):
            return url, {}
        if host == "catalogue.dataspace.copernicus.eu" and parts.path.endswith("/$value"):
            url = urlunsplit(parts._replace(netloc=_COPERNICUS_DOWNLOAD))
        return url, {"Authorization": f"Bearer {self._tokens.text('access')}"}

    def renew(self) -> None:
        """Forget the token."""
        self._tokens.forget()

    def _fetch(self, _: str) -> _Token:
        what = "access token of the Copernicus Data Space"
        user, password = _needed("CDSE_USERNAME", "CDSE_PASSWORD", where=what)
        form = {
            "client_id": "cdse-public",
            "grant_type": "password",
            "username": user,
            "password": password,
        }
        given = self._now()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._client.post(self._url, urlencode(form).encode(), what=what, headers=headers)
        told = _fields(answer, what, "access_token", "expires_in")
        try:
            lasts = timedelta(seconds=float(told["expires_in"]))
        except ValueError:
            raise _no_token(answer, what) from None
        return _Token(told["access_token"], given, given + lasts)


class CopernicusS3:
    """Signs requests to the object storage of the Copernicus Data Space (AWS Signature 4).

    ``s3://eodata/...`` becomes ``https://eodata.dataspace.copernicus.eu/eodata/...``. The
    signature is for GET: `Client.head` reads the first byte instead.

    Parameters
    ----------
    url
        The storage.

    Notes
    -----
    ``CDSE_S3_ACCESS_KEY`` and ``CDSE_S3_SECRET_KEY`` come from the environment or the keyring.
    """

    def __init__(self, *, url: str = COPERNICUS_S3_URL) -> None:
        self._url = url
        self._keys: tuple[str, str] | None = None

    def sign(self, url: str) -> tuple[str, Mapping[str, str]]:
        """Address in the storage, and the headers of the signature."""
        parts = urlsplit(url)
        if parts.scheme == "s3":
            url = f"{self._url}/{parts.netloc}{quote(parts.path, safe='/~%')}"
        elif parts.netloc != urlsplit(self._url).netloc:
            return url, {}
        if self._keys is None:
            names = "CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY"
            self._keys = _needed(*names, where="object storage of the Copernicus Data Space")
        return url, _s3_headers(url, "default", *self._keys)

    def renew(self) -> None:
        """Look the keys up again."""
        self._keys = None


class LandsatRequesterPays:
    """Signs requests to USGS's Landsat bucket, whose readers pay (AWS Signature 4).

    ``s3://usgs-landsat/...`` becomes an address of the bucket in ``us-west-2``.

    Notes
    -----
    ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and, where the keys are temporary,
    ``AWS_SESSION_TOKEN`` come from the environment or the keyring. Requests are charged to that
    account: https://www.usgs.gov/landsat-missions/landsat-commercial-cloud-data-access
    """

    def __init__(self) -> None:
        self._keys: tuple[str, str, str | None] | None = None

    def sign(self, url: str) -> tuple[str, Mapping[str, str]]:
        """Address in the bucket, and the headers of the signature."""
        parts = urlsplit(url)
        if parts.scheme == "s3" and parts.netloc == LANDSAT_BUCKET:
            url = f"https://{_LANDSAT_HOST}{quote(parts.path, safe='/~%')}"
        elif parts.netloc != _LANDSAT_HOST:
            return url, {}
        if self._keys is None:
            names = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
            keys = _needed(*names, where=f"bucket {LANDSAT_BUCKET}, whose readers pay")
            self._keys = *keys, _secret("AWS_SESSION_TOKEN")
        return url, _s3_headers(url, "us-west-2", *self._keys, requester_pays=True)

    def renew(self) -> None:
        """Look the keys up again."""
        self._keys = None


def _s3_headers(
    url: str,
    region: str,
    key: str,
    secret: str,
    session: str | None = None,
    requester_pays: bool = False,
) -> dict[str, str]:
    """Headers of a signed GET."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    headers = {"x-amz-request-payer": "requester"} if requester_pays else {}
    request = AWSRequest("GET", url, headers=headers)
    S3SigV4Auth(Credentials(key, secret, session), "s3", region).add_auth(request)
    return dict(request.headers.items())


def signer_for(url_or_provider: str, client: Client) -> Signer | None:
    """Signer that an address, or a signer's name, calls for; None where nothing is needed.

    Parameters
    ----------
    url_or_provider
        ``planetary-computer``, ``copernicus-s3``, ``copernicus-token``, ``aws-requester-pays``,
        or an address.
    client
        Fetches tokens. It keeps the signers, so that all its calls share their tokens.
    """
    name = url_or_provider if url_or_provider in _MAKERS else _signer_name(url_or_provider)
    if name is None:
        return None
    if name not in client.signers:
        client.signers.setdefault(name, _MAKERS[name](client))
    return client.signers[name]


_MAKERS: dict[str, Callable[[Client], Signer]] = {
    "planetary-computer": PlanetaryComputer,
    "copernicus-token": CopernicusToken,
    "copernicus-s3": lambda client: CopernicusS3(),
    "aws-requester-pays": lambda client: LandsatRequesterPays(),
}


def _signer_name(url: str) -> str | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host.endswith(".blob.core.windows.net"):
        return "planetary-computer"
    if (parts.scheme == "s3" and host == "eodata") or host == urlsplit(COPERNICUS_S3_URL).netloc:
        return "copernicus-s3"
    if host == _LANDSAT_HOST or (parts.scheme == "s3" and host == LANDSAT_BUCKET):
        return "aws-requester-pays"
    asks_token = ("zipper", "download", "catalogue")
    if host.endswith(".dataspace.copernicus.eu") and host.partition(".")[0] in asks_token:
        return "copernicus-token" if parts.path.startswith("/odata/") else None
    return None


def _secret(name: str) -> str | None:
    """Value from the environment, or else from the keyring."""
    import keyring
    import keyring.errors

    if os.environ.get(name):
        return os.environ[name]
    try:
        return keyring.get_password(KEYRING_SERVICE, name)
    except keyring.errors.KeyringError:
        return None


def _needed(first: str, second: str, where: str) -> tuple[str, str]:
    values = _secret(first), _secret(second)
    if values[0] is None or values[1] is None:
        absent = first if values[0] is None else second
        raise RemoteError(
            f"No {absent} is known",
            where=where,
            remedy=f"Set {first} and {second} in the environment, or store them with"
            f" `keyring set {KEYRING_SERVICE} {absent}`",
        )
    return values[0], values[1]


def _fields(answer: Answer, what: str, *names: str) -> dict[str, str]:
    """Fields of a JSON answer; the error never holds the answer."""
    try:
        told = json.loads(answer.body)
        return {name: str(told[name]) for name in names}
    except (ValueError, KeyError, TypeError):
        raise _no_token(answer, what) from None


def _no_token(answer: Answer, what: str) -> CorruptError:
    remedy = "Try again later"
    return CorruptError("The answer holds no token", where=f"{what}, {answer.url}", remedy=remedy)
