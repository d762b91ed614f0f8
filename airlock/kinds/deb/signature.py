"""Check an InRelease: a document signed in clear (RFC 9580, 7), by the program that apt itself has for it, `gpgv`.

Nothing but what the program says it verified is ever read: text in front of the signed part, behind it, or between two of
them is refused before.
"""

import base64
import binascii
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from airlock.errors import FetchError, IntegrityError

MAX_SIZE = 64 << 20
_BEGIN, _SIGNATURE, _END = (
    b"-----BEGIN PGP SIGNED MESSAGE-----",
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----END PGP SIGNATURE-----",
)
_WEAK = frozenset({"1", "2", "3"})
"""MD5, SHA-1 and RIPEMD-160 by their numbers in OpenPGP (RFC 9580, 9.5)."""
_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\n]+\r?\n)*\r?\n(.*?)\r?\n(?:=.{4}\r?\n)?-----END",
    re.DOTALL,
)
_PATIENCE = 60
"""Seconds."""


def signed_text(data: bytes, keyrings: Sequence[bytes], signers: frozenset[str], where: str) -> bytes:
    """The text that at least one key of `keyrings` signed, only those with the fingerprints `signers` where there are any.
    Raises IntegrityError, or FetchError where `gpgv` is not at hand."""
    _check_frame(data, where)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.joinpath("signed").write_bytes(data)
        arguments: list[str] = []
        for number, keyring in enumerate(keyrings):
            place = home / f"keyring-{number}.gpg"
            place.write_bytes(_binary(keyring))
            arguments += ["--keyring", str(place)]
        said = _ask(home, arguments)
        _check_signers(said, signers, where)
        return home.joinpath("text").read_bytes()


def _check_frame(data: bytes, where: str) -> None:
    """One signed document and nothing around it."""
    if len(data) > MAX_SIZE:
        raise IntegrityError(where, "too large", expected=f"at most {MAX_SIZE} bytes")
    lines = data.rstrip(b"\n").split(b"\n")
    marks = [line.rstrip() for line in lines if line.startswith(b"-----")]
    if marks != [_BEGIN, _SIGNATURE, _END] or lines[0].rstrip() != _BEGIN or lines[-1].rstrip() != _END:
        raise IntegrityError(
            where,
            "not one signed document with nothing around it",
            hint="something between here and the archive serves another page, or tampers with it",
        )


def _ask(home: Path, keyrings: Sequence[str]) -> list[list[str]]:
    """The words of each status line (GnuPG's doc/DETAILS)."""
    command = ["gpgv", "--homedir", str(home), "--status-fd", "1", *keyrings]
    command += ["--output", str(home / "text"), str(home / "signed")]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
    except FileNotFoundError as error:
        raise FetchError(
            "gpgv", "is not installed, so no archive can be verified", hint="apt-get install gpgv"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise IntegrityError("gpgv", f"took more than {_PATIENCE} seconds") from error
    lines = ran.stdout.decode("utf-8", "replace").splitlines()
    return [line.split()[1:] for line in lines if line.startswith("[GNUPG:] ") and len(line.split()) > 1]


def _check_signers(said: list[list[str]], signers: frozenset[str], where: str) -> None:
    words = [line[0] for line in said]
    if "BADSIG" in words or ("ERRSIG" in words and "NO_PUBKEY" not in words):
        raise IntegrityError(where, "the signature does not fit the text", hint=_HINT)
    good = set(_good(said))
    if signers and not good & signers:
        good = set()
    if not good:
        what = "no signature of a key that is trusted for it"
        raise IntegrityError(where, what, found=_found(said), hint=_HINT)


_HINT = (
    "name the archive's own keyring with `keyring`; if it is the right one, the mirror serves something else"
)


def _good(said: list[list[str]]) -> Iterator[str]:
    """Fingerprints of keys, and of their primary keys, whose signatures hold, are not expired, and use no weak digest."""
    current = False
    for line in said:
        match line:
            case ["NEWSIG" | "EXPKEYSIG" | "REVKEYSIG" | "EXPSIG", *_]:
                current = False
            case ["GOODSIG", *_]:
                current = True
            case ["VALIDSIG", fingerprint, _, _, _, _, _, _, digest, *rest] if (
                current and digest not in _WEAK
            ):
                yield fingerprint
                yield from rest[1:2]


def _found(said: list[list[str]]) -> str:
    names = {
        "NO_PUBKEY": "a key that is not in it",
        "EXPKEYSIG": "an expired key",
        "REVKEYSIG": "a revoked key",
        "EXPSIG": "an expired signature",
        "VALIDSIG": "another key, or a weak digest",
    }
    found = [f"{names[line[0]]} ({line[1][-16:]})" for line in said if line[0] in names and len(line) > 1]
    return ", ".join(found) or "none"


def _binary(keyring: bytes) -> bytes:
    """A keyring as `gpgv` reads it, out of ASCII armor where it is in that (RFC 9580, 6)."""
    if not keyring.lstrip().startswith(b"-----BEGIN"):
        return keyring
    try:
        return b"".join(base64.b64decode(body) for body in _ARMOR.findall(keyring))
    except binascii.Error as error:
        raise IntegrityError("keyring", f"not a key in ASCII armor, {error}") from error
