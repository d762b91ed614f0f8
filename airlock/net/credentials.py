"""User names and passwords, from where pip's and uv's users have them. None is ever written anywhere or shown.

For each server, in this order: what stands in its URL; the environment, by the index's name; ~/.netrc (by requests itself);
and, only once the server has said 401, what podman and docker have for a registry, and the keyring, as a library or as a
program.
"""

import importlib
import importlib.util
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from airlock.net.logins import Login, RegistryLogins
from airlock.net.pip import PipConfiguration

_PREFIXES = ("AIRLOCK_INDEX_", "UV_INDEX_")
_PATIENCE = 60
"""Seconds for the keyring's program, which may have to ask the user to unlock it."""


class Credentials:
    """Safe to use from many threads."""

    def __init__(self, pip: PipConfiguration, environment: Mapping[str, str]) -> None:
        self._pip, self._environment = pip, environment
        self._known: dict[str, Login] = {}
        self._users: dict[str, str] = {}
        self._services: dict[str, list[str]] = {}
        self._asked: dict[str, Login | None] = {}
        self._registries = RegistryLogins(environment)
        self._lock = threading.RLock()

    def know(self, name: str, url: str) -> None:
        """Take what the environment has for an index."""
        plain = self.without(url)
        server = server_of(plain)
        with self._lock:
            self._services.setdefault(server, []).append(plain)
            user, password = self._variable(name, "USERNAME"), self._variable(name, "PASSWORD")
            if user is not None or password is not None:
                self._known[server] = Login(user or self._users.get(server, ""), password or "")

    def without(self, url: str) -> str:
        """The URL without user name and password, which are remembered for its server."""
        parts = urlsplit(url)
        user, at, host = parts.netloc.rpartition("@")
        if not at:
            return url
        plain = urlunsplit(parts._replace(netloc=host))
        name, colon, password = user.partition(":")
        with self._lock:
            self._users[server_of(plain)] = unquote(name)
            if colon:
                self._known.setdefault(server_of(plain), Login(unquote(name), unquote(password)))
        return plain

    def login(self, url: str) -> Login | None:
        with self._lock:
            return self._known.get(server_of(url))

    def ask(self, url: str) -> Login | None:
        """What there is for a server that wants a login; the keyring is asked once. Raises FetchError where a file of logins
        cannot be read."""
        server = server_of(url)
        with self._lock:
            if (login := self._registries.find(url)) is not None:
                return login
            if server not in self._asked:
                self._asked[server] = found = self._from_keyring(server)
                if found is not None:
                    self._known[server] = found
            return self._asked[server]

    def _variable(self, name: str, ending: str) -> str | None:
        spelled = re.sub(r"[^A-Z0-9]", "_", name.upper())
        found = (self._environment.get(f"{prefix}{spelled}_{ending}") for prefix in _PREFIXES)
        return next((value for value in found if value is not None), None)

    def _from_keyring(self, server: str) -> Login | None:
        provider = self._pip.option("keyring-provider") or "auto"
        if provider == "disabled":
            return None
        services = [*self._services.get(server, ()), server, urlsplit(server).netloc]
        user = self._users.get(server)
        library = provider != "subprocess" and importlib.util.find_spec("keyring") is not None
        program = None if library else shutil.which("keyring", path=self._environment.get("PATH"))
        for service in dict.fromkeys(services):
            if library and (found := _by_library(service, user)):
                return found
            if program and (found := _by_program(program, service, user, self._environment)):
                return found
        return None


def server_of(url: str) -> str:
    """Scheme, host and port, as `https://host:5000`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _by_library(service: str, user: str | None) -> Login | None:
    keyring: Any = importlib.import_module("keyring")
    try:
        found = keyring.get_credential(service, user)
    except Exception:  # a backend's own troubles, of any kind, mean that it has nothing
        return None
    return Login(found.username or "", found.password or "") if found else None


def _by_program(program: str, service: str, user: str | None, environment: Mapping[str, str]) -> Login | None:
    """`keyring get` needs a user name; newer ones tell both."""
    arguments = ["get", service, user] if user else ["--mode", "creds", "get", service]
    try:
        done = subprocess.run(
            [program, *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    lines = done.stdout.splitlines()
    if user:
        return Login(user, lines[0]) if lines else None
    return Login(lines[0], lines[1]) if len(lines) > 1 else None
