"""`airlock serve`: what a site holds, to its own network, read only."""

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.far_side import add_root
from airlock.cli.session import Session, print_json
from airlock.errors import TargetError, UsageError

if TYPE_CHECKING:
    from airlock.airgapped.site import Site

_BIND = "127.0.0.1:8080"
_MAX_PORT = 65535
_NEEDED = ("starlette", "uvicorn", "mimeparse")


def configure(parser: argparse.ArgumentParser) -> None:
    add_root(parser)
    parser.add_argument(
        "--bind", default=_BIND, metavar="ADDRESS:PORT", help=f"where to listen (default: {_BIND})"
    )
    parser.add_argument("--tls-cert", type=existing, metavar="PEM", help="serve HTTPS with this certificate")
    parser.add_argument("--tls-key", type=existing, metavar="PEM", help="its private key")
    parser.add_argument(
        "--spool",
        type=existing,
        metavar="DIR",
        help="where restored originals lie while it runs (default: the system's temporary folder)",
    )
    parser.add_argument("--list", action="store_true", help="print every path that would be served, and end")
    parser.add_argument("--json", action="store_true", help="tell the address, or the list, as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.airgapped.serving.catalogue import catalogue
    from airlock.cli.far_side import opened
    from airlock.kinds.registry import kinds

    address, port = _address(arguments)
    with opened(arguments.root) as site:
        if arguments.list:
            _tell(sorted(catalogue(site, kinds()).offers), arguments.json)
        else:
            _check_installed()
            _serve(site, address, port, arguments, session)


def _serve(site: "Site", address: str, port: int, arguments: argparse.Namespace, session: Session) -> None:
    import tempfile

    from airlock.airgapped.serving.application import Library, application
    from airlock.airgapped.serving.catalogue import catalogue
    from airlock.airgapped.serving.shelf import Shelf
    from airlock.airgapped.status_page import site_page
    from airlock.kinds.registry import kinds
    from airlock.net.server import Listen, serve

    listen = Listen(address=address, port=port, certificate=arguments.tls_cert, key=arguments.tls_key)
    with tempfile.TemporaryDirectory(prefix="airlock-serve-", dir=arguments.spool) as folder:
        library = Library(
            shelf=Shelf(site=site, folder=Path(folder)),
            make=lambda: catalogue(site, kinds()),
            reporter=session.reporter,
            front=lambda: site_page(site),
        )
        offered = library.begin()
        session.reporter.note(f"{len(offered.offers)} paths of generation {offered.current} and older ones")
        serve(application(library), listen, lambda url: _ready(url, arguments.json))


def _address(arguments: argparse.Namespace) -> tuple[str, int]:
    address, _, port = arguments.bind.rpartition(":")
    address = address.removeprefix("[").removesuffix("]")
    if not address or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > _MAX_PORT:
        raise UsageError("--bind", "not an address", expected=f"as {_BIND}", found=repr(arguments.bind))
    if bool(arguments.tls_cert) != bool(arguments.tls_key):
        raise UsageError("--tls-cert and --tls-key", "one without the other")
    return address, int(port)


def _check_installed() -> None:
    if absent := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise TargetError(
            "airlock serve",
            "a part that only this command needs is not installed",
            found=f"no {absent[0]}",
            hint="install `airlock-deploy[serve]`; on the far side, carry its wheels over like airlock's own",
        )


def _ready(url: str, as_json: bool) -> None:
    if as_json:
        print_json({"url": url})
    else:
        print(f"serving at {url}/; end it with Ctrl-C")
    sys.stdout.flush()


def _tell(paths: list[str], as_json: bool) -> None:
    if as_json:
        print_json({"paths": paths})
    else:
        for path in paths:
            print(path)
