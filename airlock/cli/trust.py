"""`airlock trust`: make and show the trust root that a site pins."""

import argparse
from pathlib import Path

from airlock.cli.arguments import existing
from airlock.cli.key import add_passphrase, days
from airlock.cli.session import Session, print_json

_DAY = 86_400


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="trust_command", metavar="init|show", required=True)
    init = commands.add_parser("init", help="make a trust root", description="Make a trust root.")
    init.add_argument(
        "--root", type=existing, required=True, metavar="KEY", help="the private root key, signs it"
    )
    init.add_argument(
        "--release",
        type=existing,
        nargs="+",
        required=True,
        metavar="PUB",
        help="keys that may sign releases",
    )
    init.add_argument(
        "--threshold", type=int, default=1, metavar="N", help="how many of them must (default: 1)"
    )
    init.add_argument("-o", "--output", type=Path, default=Path("trust-root.json"), metavar="FILE")
    init.add_argument("--expires-days", type=days, default=3650, metavar="N", help="default: 3650")
    add_passphrase(init)
    show = commands.add_parser("show", help="show a trust root", description="Show a trust root.")
    show.add_argument("file", type=existing, metavar="ROOT.JSON")
    show.add_argument("--json", action="store_true", help="tell it as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    if arguments.trust_command == "init":
        _init(arguments, session)
    else:
        _show(arguments)


def _init(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.key import passphrase_of
    from airlock.connected.key import read_public, read_signer
    from airlock.connected.trust import make_root
    from airlock.storage.new_file import create_new

    passphrase = passphrase_of(arguments)
    signer = read_signer(arguments.root.read_bytes(), passphrase, str(arguments.root))
    release = [read_public(path.read_bytes(), passphrase, str(path)) for path in arguments.release]
    expires = session.now() + arguments.expires_days * _DAY
    create_new(arguments.output, make_root(signer, release, arguments.threshold, expires), 0o644)
    print(arguments.output)


def _show(arguments: argparse.Namespace) -> None:
    from airlock.formats.trust import verified_root

    root = verified_root(arguments.file.read_bytes(), str(arguments.file)).signed
    roles = {"root": root.roles["root"], "release": root.roles["targets"]}
    expires = root.expires.date().isoformat()
    if arguments.json:
        tables = {
            name: {"threshold": role.threshold, "keys": sorted(role.keyids)} for name, role in roles.items()
        }
        print_json({"version": root.version, "expires": expires, "roles": tables})
        return
    print(f"{arguments.file}: trust root version {root.version}, expires {expires}")
    for name, role in roles.items():
        print(f"  {name}: {role.threshold} of")
        for key in sorted(role.keyids):
            print(f"    {key}")
