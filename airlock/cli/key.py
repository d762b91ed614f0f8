"""`airlock key`: make, import and show signing keys."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

_MOST_DAYS = 36_500
_UNPROTECTED = "--no-passphrase leaves the private key as it is"
_UNASKED = f"give --passphrase-file FILE; {_UNPROTECTED}"
_STDIN = Path("-")
_OTHERS = 0o077
"""The permissions that a private key must not give."""


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="key_command", metavar="new|import-hsm|show", required=True)
    new = commands.add_parser("new", help="make an Ed25519 key", description="Make an Ed25519 key.")
    new.add_argument("name", metavar="NAME", help="writes NAME.key, which is secret, and NAME.pub")
    new.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR", help="where they go")
    protection = new.add_mutually_exclusive_group()
    add_passphrase(protection)
    protection.add_argument(
        "--no-passphrase", action="store_true", help="leave the private key as it is, without asking"
    )
    token = commands.add_parser(
        "import-hsm",
        help="use a key that is on a PKCS #11 token",
        description="Use a key that is on a PKCS #11 token, whose module the environment variable PYKCS11LIB names.",
    )
    token.add_argument("name", metavar="NAME", help="writes NAME.token, which signs, and NAME.pub")
    token.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR", help="where they go")
    token.add_argument(
        "--id", type=int, default=2, metavar="N", help="the key's CKA_ID (default: 2, slot 9c)"
    )
    token.add_argument("--label", metavar="TEXT", help="the token's label (default: the only token)")
    add_passphrase(token)
    show = commands.add_parser("show", help="show whose key it is", description="Show whose key it is.")
    show.add_argument("file", type=existing, metavar="KEY", help="a .pub, .token or .key file")
    add_passphrase(show)
    show.add_argument("--json", action="store_true", help="tell it as JSON")


def add_passphrase(parser: "argparse.ArgumentParser | argparse._MutuallyExclusiveGroup") -> None:
    parser.add_argument(
        "--passphrase-file",
        type=_existing_or_stdin,
        metavar="FILE",
        help="its first line is the passphrase of the private key, or the token's PIN; - for stdin (default: ask)",
    )


def _existing_or_stdin(text: str) -> Path:
    return _STDIN if text == "-" else existing(text)


def days(text: str) -> int:
    """A number of days that a date can be counted to."""
    if not 1 <= (number := int(text)) <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"expected 1 to {_MOST_DAYS} days, found {number}")
    return number


def passphrase_of(arguments: argparse.Namespace) -> bytes | None:
    """What `--passphrase-file` says; None where it is not given."""
    from airlock.errors import UsageError

    path: Path | None = arguments.passphrase_file
    if path is None:
        return None
    line = sys.stdin.buffer.readline() if path == _STDIN else path.read_bytes().split(b"\n", 1)[0]
    if not (passphrase := line.rstrip(b"\r\n")):
        raise UsageError(str(path), "the passphrase is empty")
    return passphrase


def ask(what: str, hint: str | None = None) -> bytes:
    """Ask the person at the terminal. Raises UsageError where there is none."""
    from getpass import getpass

    from airlock.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(
            what, "needed, and there is no terminal to ask at", hint="give --passphrase-file FILE"
        )
    try:
        secret = getpass(f"{what}: ")
    except EOFError:
        secret = ""
    if not secret:
        raise UsageError(what, "empty", hint=hint)
    return secret.encode()


def signer_of(path: Path, passphrase: bytes | None, session: Session) -> "Signer":
    """A key file or token, ready to sign. A file that others can read is told of."""
    from airlock.connected.key import open_signer

    data = path.read_bytes()
    if b"PRIVATE KEY" in data and path.stat().st_mode & _OTHERS:
        session.reporter.warn(f"{path} can be read by others: chmod 600 {path}")
    return open_signer(data, passphrase, ask, str(path))


def public_of(path: Path, passphrase: bytes | None) -> "Key":
    """The public key of a .pub, .token or .key file."""
    from airlock.connected.key import open_signer, read_public

    data = path.read_bytes()
    if passphrase is None and b"ENCRYPTED PRIVATE KEY" in data:
        return open_signer(data, None, ask, str(path)).public_key
    return read_public(data, passphrase, str(path))


def run(arguments: argparse.Namespace, session: Session) -> None:
    match arguments.key_command:
        case "new":
            _new(arguments, session)
        case "import-hsm":
            _import(arguments, session)
        case _:
            _show(arguments)


def _new(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.connected.key import new_key

    secret, public = _places(arguments, "key")
    pair = new_key(_new_passphrase(arguments, session))
    _write(secret, pair.private, 0o600, public, pair.public)
    session.reporter.note(f"keep {secret} secret; {public} goes to whoever makes the trust root")


def _new_passphrase(arguments: argparse.Namespace, session: Session) -> bytes | None:
    from airlock.errors import UsageError

    passphrase = passphrase_of(arguments)
    if passphrase is not None or arguments.no_passphrase:
        return passphrase
    if not sys.stdin.isatty():
        raise UsageError("new passphrase", "needed, and there is no terminal to ask at", hint=_UNASKED)
    passphrase = ask("new passphrase", _UNPROTECTED)
    if ask("once more", _UNPROTECTED) != passphrase:
        raise UsageError("passphrase", "not the same twice", hint="nothing was written: run it again")
    return passphrase


def _import(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.connected.key import import_token

    secret = passphrase_of(arguments)
    token, public = _places(arguments, "token")
    key = import_token(arguments.id, arguments.label, lambda what: ask(what) if secret is None else secret)
    _write(token, key.token, 0o644, public, key.public)
    session.reporter.note(f"sign with --key {token}; {public} goes to whoever makes the trust root")


def _places(arguments: argparse.Namespace, ending: str) -> tuple[Path, Path]:
    from airlock.errors import UsageError

    if not arguments.name or "/" in arguments.name:
        raise UsageError("NAME", "not a file name", found=repr(arguments.name), hint="use -o for a directory")
    first, public = (arguments.output / f"{arguments.name}.{end}" for end in (ending, "pub"))
    for path in (first, public):
        if path.exists():
            raise UsageError(str(path), "exists already", hint="choose another name, or move it away")
    return first, public


def _write(first: Path, data: bytes, mode: int, public: Path, key: bytes) -> None:
    from airlock.storage.new_file import create_new

    create_new(first, data, mode)
    create_new(public, key, 0o644)
    print(f"{first}\n{public}")


def _show(arguments: argparse.Namespace) -> None:
    key = public_of(arguments.file, passphrase_of(arguments))
    if arguments.json:
        print_json({"keyid": key.keyid, "scheme": key.scheme, "public": key.keyval["public"]})
        return
    print(f"{arguments.file}: {key.scheme}")
    print(f"  id      {key.keyid}")
    print(f"  public  {' '.join(key.keyval['public'].splitlines())}")
