"""Well-known projects that ship only a source distribution, each built twice: the table of docs/sdists.md.

    python -m tests.sdist_table [NAME ...]

Asks the index that pip is configured for. Minutes.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.utils import canonicalize_name

from airlock.cli.near import near_side
from airlock.cli.session import Session
from airlock.core.reporter import Silent
from airlock.errors import AirlockError
from airlock.formats.manifest import parse_manifest
from airlock.kinds import NearSide, PinRequest, Upgrade
from airlock.kinds.registry import sections
from airlock.kinds.wheel.building.compare import shown
from airlock.kinds.wheel.building.machine import platform
from airlock.kinds.wheel.client import IndexClient
from airlock.kinds.wheel.releases import Wanted, releases
from airlock.kinds.wheel.sdists import Sdists
from airlock.kinds.wheel.section import read_section

PROJECTS = (
    "docopt", "pyperclip", "odfpy", "langdetect", "wikipedia", "sgmllib3k", "crcmod", "googlemaps", "stringcase",
    "jieba", "psycopg2", "mysqlclient", "python-ldap", "pygraphviz", "pycairo", "uwsgi", "fasttext", "antlr4-python3-runtime",
)  # fmt: skip
MANIFEST = """
[project]
name = "table"
version = "1"
[[target]]
name = "here"
python = "{python}"
platform = "{platform}"
[python]
requirements = []
exclude-newer = 2026-11-01T00:00:00Z
[python.build]
packages = [{names}]
"""


class Listening(Silent):
    def note(self, text: str) -> None:
        print(text, file=sys.stderr)


def main(names: list[str]) -> None:
    with TemporaryDirectory() as folder:
        session = Session(cache=Path(folder), environment=os.environ, reporter=Listening())
        with near_side(session, Path(folder)) as near:
            print(
                "| project | backend's tools | builds | same twice | same bytes from the backend | seconds | remarks |"
            )
            print("|---|---|---|---|---|---:|---|")
            for row in _rows(names, near):
                print(f"| {' | '.join(row)} |", flush=True)


def _rows(names: list[str], near: NearSide) -> Iterator[tuple[str, ...]]:
    listed = ", ".join(f'"{name}"' for name in names)
    python = ".".join(map(str, sys.version_info[:2]))
    text = MANIFEST.format(python=python, platform=platform(), names=listed)
    manifest = parse_manifest(text.encode(), "airlock.toml", sections())
    section = read_section(manifest, "airlock.toml")
    request = PinRequest(manifest=manifest, where="airlock.toml", near=near, previous=None, upgrade=Upgrade())
    with IndexClient(near, section, manifest.indexes) as client:
        sdists = Sdists(request, section, client)
        for name in names:
            wanted = Wanted(
                target=manifest.targets[0].target, exclude_newer=section.exclude_newer, build=section.build
            )
            yield _row(name, wanted, client, sdists)


def _row(name: str, wanted: Wanted, client: IndexClient, sdists: Sdists) -> tuple[str, ...]:
    normal = canonicalize_name(name)
    found = releases(client.page(normal).result(), normal, wanted)
    version, file = next(((v, one) for v, one in found.items() if not v.is_prerelease), (None, None))
    if file is None:
        return (name, "", "", "", "", "", "is not on the index")
    if not file.is_sdist:
        return (f"{name} {version}", "", "", "", "", "", "has a wheel")
    started = time.monotonic()
    try:
        built, _ = sdists.wheel(file, wanted.target)
    except AirlockError as error:
        seconds = f"{time.monotonic() - started:.0f}"
        return (f"{name} {version}", "", "no", "", "", seconds, f"{error.what}: {error.found}; {error.hint}")
    seconds = f"{time.monotonic() - started:.0f}"
    tools = ", ".join(f"{one.name} {one.version}" for one in built.tools.artifacts)
    same = "yes" if built.reproducible else "no"
    identical = "yes" if built.identical else "no"
    return (f"{name} {version}", tools, "yes", same, identical, seconds, shown(built.differing))


if __name__ == "__main__":
    main(sys.argv[1:] or list(PROJECTS))
