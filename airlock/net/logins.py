"""Logins to registries, from the files and helper programs that podman, skopeo and docker share: containers-auth.json(5), and
docker's own `config.json` and credential helpers."""

import base64
import binascii
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airlock.errors import FetchError

IDENTITY = "<token>"
"""The user name where the password is an identity token, which is exchanged for others (OAuth 2)."""
_MAX_FILE = 1 << 20
"""Bytes."""
_PATIENCE = 60
"""Seconds for a helper, which may have to ask the user to unlock something."""
_HELPER = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_REPOSITORY = re.compile(r"/v2/(.+)/(?:manifests|blobs|referrers|tags)/")


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str

    def __repr__(self) -> str:
        return "Login(…)"


def repository_of(url: str) -> str:
    """The repository that a URL of the distribution API is about; empty for any other."""
    found = _REPOSITORY.search(urlsplit(url).path)
    return found[1] if found else ""


class RegistryLogins:
    """Files are read when the first login is needed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def find(self, url: str) -> Login | None:
        """The most particular login for a URL of the distribution API, from the first file that has one. Raises FetchError
        where a file is not what it should be."""
        if not (repository := repository_of(url)):
            return None
        parts = [urlsplit(url).netloc.lower(), *repository.split("/")]
        names = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
        for file in self._files:
            for name in names:
                if login := self._in_file(file, name):
                    return login
        return None

    def _in_file(self, file: "_File", name: str) -> Login | None:
        if helper := file.helpers.get(name):
            return self._helped(helper, name)
        if login := file.logins.get(name):
            return login
        return self._helped(file.store, name) if file.store and "/" not in name else None

    def _helped(self, helper: str, name: str) -> Login | None:
        """Of a helper that has none, is not there or fails, nothing is told: the registry will refuse."""
        program = shutil.which(f"docker-credential-{helper}", path=self._environment.get("PATH"))
        if program is None:
            return None
        try:
            done = subprocess.run(
                [program, "get"],
                input=name,
                env=dict(self._environment),
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=True,
            )
            found = json.loads(done.stdout)
            return Login(str(found["Username"]), str(found["Secret"]))
        except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError):
            return None

    @cached_property
    def _files(self) -> tuple["_File", ...]:
        return tuple(_read(path) for path in self._paths() if path.is_file())

    def _paths(self) -> Iterator[Path]:
        """In the order in which podman and skopeo look."""
        environment = self._environment
        if named := environment.get("REGISTRY_AUTH_FILE"):
            yield Path(named)
        if environment:
            run = environment.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.getuid()}"
            yield (
                Path(run) / "containers/auth.json"
                if environment.get("XDG_RUNTIME_DIR")
                else Path(run) / "auth.json"
            )
        if home := environment.get("HOME"):
            yield Path(environment.get("XDG_CONFIG_HOME") or Path(home) / ".config") / "containers/auth.json"
            yield Path(environment.get("DOCKER_CONFIG") or Path(home) / ".docker") / "config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """By registry, or registry and the beginning of a repository's name."""

    logins: Mapping[str, Login]
    helpers: Mapping[str, str]
    store: str


def _read(path: Path) -> _File:
    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(_MAX_FILE))
        auths, helpers = document.get("auths") or {}, document.get("credHelpers") or {}
        return _File(
            logins={_plain(name): login for name, entry in auths.items() if (login := _login(entry))},
            helpers={_plain(name): _helper(value) for name, value in helpers.items()},
            store=_helper(document.get("credsStore") or ""),
        )
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise FetchError(
            str(path), "not a file of logins that can be read", hint="log in anew, or move it away"
        ) from error


def _plain(name: str) -> str:
    """`https://host/v2/` is how some spell `host`."""
    bare = re.sub(r"^https?://", "", name).rstrip("/")
    return re.sub(r"/v[12]$", "", bare).lower()


def _login(entry: Mapping[str, Any]) -> Login | None:
    if token := entry.get("identitytoken"):
        return Login(IDENTITY, str(token))
    try:
        user, colon, password = (
            base64.b64decode(entry.get("auth") or "", validate=True).decode().partition(":")
        )
    except (binascii.Error, ValueError):
        return None
    return Login(user, password.strip("\0")) if colon else None


def _helper(name: str) -> str:
    """Part of a program's name, and never of a path."""
    return name if _HELPER.fullmatch(name) else ""
