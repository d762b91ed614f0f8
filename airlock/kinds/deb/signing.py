"""Sign the Release of a repository with a key of the user's own GnuPG, by its program."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime

from airlock.errors import FetchError

_PATIENCE = 300
"""Seconds: somebody may have to type a passphrase, or touch a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    armored: str
    created: datetime


def public_key(fingerprint: str) -> PublicKey:
    """Raises FetchError."""
    listing = _gpg("--with-colons", "--list-keys", fingerprint).decode("utf-8", "replace")
    rows = [line.split(":") for line in listing.splitlines() if line.startswith(("pub:", "sub:"))]
    created = [int(row[5]) for row in rows if len(row) > 5 and row[5].isdigit()]
    armored = _gpg("--armor", "--export-options", "export-minimal", "--export", fingerprint).decode()
    if not created or not armored:
        raise FetchError("gpg", f"has no key {fingerprint}", hint=_HINT)
    return PublicKey(armored=armored, created=datetime.fromtimestamp(max(created), UTC))


def signed(text: str, fingerprint: str, moment: datetime) -> str:
    """The text, signed in clear as if it were that moment. Raises FetchError."""
    time = f"{int(moment.timestamp())}!"
    return _gpg(
        "--faked-system-time",
        time,
        "--digest-algo",
        "SHA512",
        "--local-user",
        fingerprint,
        "--clear-sign",
        text=text,
    ).decode()


_HINT = "the repository is signed while locking, by a key that the far side trusts: docs/debs.md"


def _gpg(*arguments: str, text: str = "") -> bytes:
    command = ["gpg", "--batch", "--quiet", "--no-emit-version", "--no-comments", *arguments]
    try:
        ran = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_PATIENCE, check=True)
    except FileNotFoundError as error:
        raise FetchError("gpg", "is not installed", hint="apt-get install gnupg") from error
    except subprocess.TimeoutExpired as error:
        raise FetchError("gpg", f"did not answer in {_PATIENCE} seconds", hint=_HINT) from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise FetchError(
            "gpg", "could not sign the repository", found=said[-1] if said else None, hint=_HINT
        ) from error
    return ran.stdout
