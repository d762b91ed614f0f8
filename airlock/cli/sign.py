"""`airlock sign`: sign a bundle or delta."""

import argparse
from pathlib import Path

from airlock.cli.arguments import existing
from airlock.cli.key import add_passphrase, days
from airlock.cli.session import Session, print_json

_DAY = 86_400


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=existing, metavar="FILE", help="a bundle or a delta")
    parser.add_argument("--key", type=existing, required=True, metavar="KEY", help="the private release key")
    add_passphrase(parser)
    parser.add_argument("--expires-days", type=days, default=365, metavar="N", help="default: 365")
    parser.add_argument(
        "--counter", type=int, metavar="N", help="the release counter, which must grow (default: the clock)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: the signed file takes the place of FILE"
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.key import passphrase_of
    from airlock.connected.key import read_signer
    from airlock.connected.sign import Statement, sign
    from airlock.errors import UsageError
    from airlock.formats.trust import short_form
    from airlock.storage.archive import Archive
    from airlock.storage.atomic import replacing

    if arguments.counter is not None and arguments.counter < 1:
        raise UsageError("--counter", "too small", expected="1 or more", found=str(arguments.counter))
    signer = read_signer(arguments.key.read_bytes(), passphrase_of(arguments), str(arguments.key))
    now = session.now()
    statement = Statement(
        counter=now if arguments.counter is None else arguments.counter,
        fixed=arguments.counter is not None,
        expires=now + arguments.expires_days * _DAY,
    )
    output = arguments.output or arguments.file
    with arguments.file.open("rb") as stream, replacing(output) as out:
        signed = sign(Archive(stream, str(arguments.file)), signer, statement, out)
    if arguments.json:
        print_json(
            {
                "file": str(output),
                "index": signed.index,
                "release": signed.counter,
                "signers": list(signed.signers),
            }
        )
        return
    print(f"{output}: signed by {', '.join(signer[:8] for signer in signed.signers)}")
    print(f"  release  {signed.counter}")
    print(f"  index    {signed.index}")
    print(f"  aloud    {short_form(signed.index)}")
