"""Bearer tokens of registries: the server says which service gives them, and the login is shown to that one alone (the token
authentication that the OCI distribution specification refers to).

A server that could be read by others on the way sends nobody anywhere else: a service that is not reached by TLS is asked only
where the registry is not either.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import get_netrc_auth

from airlock.errors import FetchError
from airlock.net.credentials import Credentials, server_of
from airlock.net.faults import shown
from airlock.net.logins import IDENTITY, Login, repository_of

MAX_TOKEN = 1 << 20
"""Bytes of a service's answer."""
_LIFE = 60
"""Seconds that a token is good for where its service does not say."""
_EARLY = 10
"""Seconds before its end from which on a token is not used."""
_LONGEST = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    url: str
    login: Login | None
    form: Mapping[str, str] | None
    """What is posted; None for a GET."""


class TokenWanted(NamedTuple):
    url: str
    challenge: Mapping[str, str]
    sent: AuthBase | None
    """What came with the request that was refused."""


class Bearer(AuthBase):
    """Takes the place of whatever netrc would add."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def basic(login: Login | None) -> AuthBase | None:
    """None, where there is none that a password could be taken from: what netrc has is then taken by requests itself."""
    if login is None or login.user == IDENTITY:
        return None
    return HTTPBasicAuth(login.user.encode(), login.password.encode())


def bearer_challenge(header: str) -> Mapping[str, str]:
    """The parameters of the Bearer challenge in `WWW-Authenticate` (RFC 6750, 3); empty where there is none."""
    found = re.search(r"(?:^|,)\s*Bearer\s+(.*)", header, re.IGNORECASE | re.DOTALL)
    if not found:
        return {}
    rows: list[tuple[str, str, str]] = re.findall(r'\b(\w++)\s*=\s*(?:"([^"]*)"|([^\s",]+))', found[1])
    return {name.lower(): quoted or plain for name, quoted, plain in rows}


class Tokens:
    """Those at hand, by registry and repository. Safe to use from many threads."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._at_hand: dict[tuple[str, str], tuple[Bearer, float]] = {}
        self._asking: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def known(self, url: str) -> Bearer | None:
        with self._lock:
            bearer, end = self._at_hand.get(_space(url), (None, 0.0))
        return bearer if time.monotonic() < end else None

    def ask(self, wanted: TokenWanted, send: Callable[[TokenRequest], bytes]) -> Bearer | None:
        """A token; None where the service named is none to be asked. Of many threads that want one, the first asks. Raises
        FetchError."""
        space, realm = _space(wanted.url), wanted.challenge.get("realm", "")
        if not _may_be_asked(realm, wanted.url):
            return None
        with self._lock:
            asking = self._asking.setdefault(space, threading.Lock())
        with asking:
            if (other := self.known(wanted.url)) is not None and other is not wanted.sent:
                return other
            token, life = _parsed(send(self._request(wanted.url, realm, wanted.challenge)), realm)
            bearer = Bearer(token)
            with self._lock:
                self._at_hand[space] = bearer, time.monotonic() + life - _EARLY
            return bearer

    def _request(self, url: str, realm: str, challenge: Mapping[str, str]) -> TokenRequest:
        wanted = {name: challenge[name] for name in ("service", "scope") if challenge.get(name)}
        login = self._credentials.login(url) or self._credentials.ask(url) or _from_netrc(url)
        if login is not None and login.user == IDENTITY:
            form = {"grant_type": "refresh_token", "client_id": "airlock", "refresh_token": login.password}
            return TokenRequest(url=realm, login=None, form=form | wanted)
        query = urlencode([*wanted.items(), *([("account", login.user)] if login else [])])
        separator = "&" if urlsplit(realm).query else "?"
        return TokenRequest(url=f"{realm}{separator}{query}" if query else realm, login=login, form=None)


def _space(url: str) -> tuple[str, str]:
    return server_of(url), repository_of(url)


def _may_be_asked(realm: str, url: str) -> bool:
    try:
        parts = urlsplit(realm)
        parts.port  # noqa: B018  # raises where it is no number
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and urlsplit(url).scheme == "http")


def _from_netrc(url: str) -> Login | None:
    found = get_netrc_auth(url)
    return Login(*found) if found else None


def _parsed(data: bytes, realm: str) -> tuple[str, float]:
    """The token and for how long it is good, in seconds."""
    try:
        document = json.loads(data)
        token = document.get("token") or document.get("access_token")
        life = document.get("expires_in") or _LIFE
    except (ValueError, AttributeError, RecursionError):
        token, life = None, _LIFE
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise FetchError(shown(realm), "gave no token that can be used")
    return token, min(life, _LONGEST) if isinstance(life, int | float) else _LIFE
