"""`airlock sign`: sign a bundle or delta."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.key import add_passphrase, days
from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from airlock.connected.sign import Signed
    from airlock.core.digest import Digest
    from airlock.formats.trust_chain import TrustedRoot
    from airlock.storage.archive import Archive

_DAY = 86_400
_DAYS = 365


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=existing, metavar="FILE", help="a bundle or a delta")
    parser.add_argument("--key", type=existing, required=True, metavar="KEY", help="the private release key")
    add_passphrase(parser)
    parser.add_argument(
        "--trust",
        type=existing,
        metavar="ROOT.JSON",
        help="the trust root, carried with every version that lies beside it (default: trust-root.json, if it is here)",
    )
    parser.add_argument("--expires-days", type=days, metavar="N", help=f"default: {_DAYS}")
    parser.add_argument(
        "--counter", type=int, metavar="N", help="the release counter, which must grow (default: the clock)"
    )
    parser.add_argument(
        "--anew", action="store_true", help="leave behind what others signed: they have to sign again"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: the signed file takes the place of FILE"
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.key import passphrase_of, signer_of
    from airlock.connected.sign import Statement, sign
    from airlock.errors import UsageError
    from airlock.formats.trust import MAX_COUNTER
    from airlock.storage.atomic import replacing
    from airlock.storage.kit import rewriting

    if arguments.counter is not None and not 1 <= arguments.counter <= MAX_COUNTER:
        expected = f"from 1 to {MAX_COUNTER}"
        raise UsageError("--counter", "out of range", expected=expected, found=str(arguments.counter))
    roots = roots_beside(arguments.trust, session)
    output = arguments.output or arguments.file
    check_writable(output, "write the signed file elsewhere with -o FILE")
    signer = signer_of(arguments.key, passphrase_of(arguments), session)
    now = session.now()
    statement = Statement(
        counter=session.now_in_milliseconds() if arguments.counter is None else arguments.counter,
        fixed=arguments.counter is not None,
        expires=now + (arguments.expires_days or _DAYS) * _DAY,
        fixed_expiry=arguments.expires_days is not None,
        made=now,
        anew=arguments.anew,
    )
    with (
        open_to_sign(arguments.file) as stream,
        replacing(output) as out,
        rewriting(stream, str(arguments.file), out, output.absolute().parent) as (old, new),
    ):
        signed = sign(to_be_signed(old, arguments.file), signer, statement, new, roots)
    session.record(output, "sign", index=signed.index, release=signed.counter, keys=signed.signers)
    if statement.fixed and signed.before is not None and signed.counter < signed.before:
        session.reporter.warn(
            f"--counter is lower than {signed.before}, with which {arguments.file} was signed: sites that installed that refuse this"
        )
    for text in _warnings(signed, signer.public_key.keyid):
        session.reporter.warn(text)
    if signed.again:
        session.reporter.note("signed with this key already")
    if signed.quorum is None:
        session.reporter.note("no trust-root.json here: sites that lack a root will not find it in this file")
    if signed.quorum and signed.quorum.missing:
        session.reporter.note(
            f"next: the others sign this very {output.name}, one after the other; a copy that is signed on its own gets another"
            " release counter, and its signatures count for nothing here"
        )
    _tell(signed, output, kit_digest(output), arguments.json)


def open_to_sign(path: Path) -> "BinaryIO":
    """Raises UsageError for a folder, as of volumes."""
    from airlock.errors import UsageError

    if path.is_dir():
        hint = "sign the bundle before `airlock split`; `airlock join` makes it out of its volumes"
        raise UsageError(str(path), "a folder", expected="a bundle or a delta", hint=hint)
    return path.open("rb")


def check_writable(path: Path, hint: str) -> None:
    """Before anybody is asked for a passphrase. Raises UsageError where the file cannot be replaced, as on a disc."""
    from airlock.errors import UsageError

    folder = path.absolute().parent
    if folder.exists() and not os.access(folder, os.W_OK):
        raise UsageError(str(path), "lies where nothing can be written", hint=hint)


def to_be_signed(stream: "BinaryIO", path: Path, *, changed: bool = True) -> "Archive":
    """A bundle or delta. Raises UsageError for a lock, which is what people try to sign instead, and for a volume that would
    be `changed`."""
    from airlock.errors import UsageError
    from airlock.formats.volume import HEADER
    from airlock.storage.archive import Archive

    if stream.read(512)[257:262] != b"ustar" and path.suffix in (".lock", ".toml"):
        hint = f"`airlock build --lock {path.with_suffix('.lock')}` makes the bundles that are signed"
        raise UsageError(str(path), "neither a bundle nor a delta", hint=hint)
    archive = Archive(stream, str(path))
    if changed and HEADER in archive.members:
        hint = "sign before `airlock split`, or approve with --detached"
        raise UsageError(str(path), "a volume", expected="a bundle or a delta", hint=hint)
    return archive


def roots_beside(given: Path | None, session: Session) -> "tuple[TrustedRoot, ...]":
    """The versions of the release root that count; none where there is no root here."""
    from airlock.cli.trust import DEFAULT
    from airlock.errors import UsageError

    path = given or DEFAULT
    if given is None and not path.exists():
        return ()
    roots = roots_at(path, session)
    if name := roots[-1].policy.approver:
        raise UsageError(str(path), f"the approval root of {name}", hint="`airlock approve` signs under it")
    return roots


def roots_at(path: Path, session: Session) -> "tuple[TrustedRoot, ...]":
    """The versions that lie beside `path` and count. Raises UsageError where none does."""
    from airlock.errors import UsageError
    from airlock.storage.root_chain import read_chain

    chain = read_chain(path)
    if not chain.roots:
        hint = f"its holders run `airlock trust sign {chain.pending} --key KEY`"
        raise UsageError(str(chain.pending), "lacks signatures of its root keys", hint=hint)
    if chain.pending:
        session.reporter.warn(
            f"{chain.pending} lacks signatures and is not carried: see `airlock trust show`"
        )
    return chain.roots


def _warnings(signed: "Signed", key: str) -> "Iterator[str]":
    for name in signed.void:
        yield f"the approval by {name} was of another release counter and is gone: ask for it again"
    if signed.quorum and key not in signed.quorum.signed:
        why = "is no release key of the newest trust root"
        if signed.taken_out:
            why = f"was taken out in root version {signed.taken_out}"
        yield f"{key[:8]} {why}: sites will not count this signature"


def kit_digest(path: Path) -> "Digest | None":
    """Of a kit that brings a bundle along; None for other files, whose own digest decides nothing."""
    from airlock.core.digest import digest_of_stream
    from airlock.storage.kit import is_kit

    with path.open("rb") as stream:
        return digest_of_stream(stream)[0] if is_kit(stream) else None


def _tell(signed: "Signed", output: Path, kit: "Digest | None", as_json: bool) -> None:
    from airlock.cli.trust import quorum_document, sentence
    from airlock.formats.trust import short_form

    if as_json:
        print_json(
            {
                "file": str(output),
                "index": signed.index,
                "short": short_form(signed.index),
                "release": signed.counter,
                "signers": list(signed.signers),
                "quorum": quorum_document(signed.quorum) if signed.quorum else None,
            }
            | ({"digest": kit} if kit else {})
        )
        return
    print(f"{output}: signed by {', '.join(signer[:8] for signer in signed.signers)}")
    if signed.quorum:
        print(f"  {sentence(signed.quorum)}")
    print(f"  release  {signed.counter}")
    print(f"  index    {signed.index}")
    print(f"  aloud    {short_form(signed.index)}")
    if kit:
        print(f"  file     {kit}")
        print(f"  aloud    {short_form(kit)}, of the file: what runs before anything is verified")
