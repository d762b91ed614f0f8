"""`airlock key new`: make a signing key."""

import argparse
from pathlib import Path

from airlock.cli.arguments import existing
from airlock.cli.session import Session

_MOST_DAYS = 36_500


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="key_command", metavar="new", required=True)
    new = commands.add_parser("new", help="make an Ed25519 key", description="Make an Ed25519 key.")
    new.add_argument("name", metavar="NAME", help="writes NAME.key, which is secret, and NAME.pub")
    new.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR", help="where they go")
    add_passphrase(new)


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file", type=existing, metavar="FILE", help="its first line protects the private key"
    )


def days(text: str) -> int:
    """A number of days that a date can be counted to."""
    if not 1 <= (number := int(text)) <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"expected 1 to {_MOST_DAYS} days, found {number}")
    return number


def passphrase_of(arguments: argparse.Namespace) -> bytes | None:
    from airlock.errors import UsageError

    path: Path | None = arguments.passphrase_file
    if path is None:
        return None
    passphrase = path.read_bytes().split(b"\n", 1)[0].rstrip(b"\r")
    if not passphrase:
        raise UsageError(str(path), "the passphrase is empty")
    return passphrase


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.connected.key import new_key
    from airlock.errors import UsageError
    from airlock.storage.new_file import create_new

    if not arguments.name or "/" in arguments.name:
        raise UsageError("NAME", "not a file name", found=repr(arguments.name), hint="use -o for a directory")
    pair = new_key(passphrase_of(arguments))
    secret, public = (arguments.output / f"{arguments.name}.{ending}" for ending in ("key", "pub"))
    if public.exists():
        raise UsageError(str(public), "exists already", hint="choose another name, or move it away")
    create_new(secret, pair.private, 0o600)
    create_new(public, pair.public, 0o644)
    print(f"{secret}\n{public}")
    session.reporter.note(f"keep {secret} secret; {public} goes to whoever makes the trust root")
