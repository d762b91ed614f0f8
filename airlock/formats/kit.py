"""A kit: what brings airlock to a machine that has nothing but a shell. A script of `HEAD` bytes, then an archive, whose first
member `kit.json` says what the others are.

The script checks the digest of the archive; who carries it compares that of the whole file.
"""

import re
from dataclasses import dataclass
from typing import Any

from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import Digest
from airlock.core.fields import Fields
from airlock.core.paths import SafePath, safe_path
from airlock.core.target import Target
from airlock.errors import IntegrityError
from airlock.formats.rows import MAX_ARTIFACT, plain_text, read_target, write_target

FORMAT = "airlock-kit/1"
TABLE = "kit.json"
"""The first member."""
BUNDLE = "bundle.airlock"
"""The last member, where the kit brings a bundle."""
HEAD = 8192
"""Bytes before the archive."""
FIRST = b"#!/bin/sh\n# airlock kit "
"""What every kit begins with."""
_MEMBER = re.compile(r"[a-z]+/[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file that the kit brings."""

    member: str
    """Its name in the archive, which takes no long names."""
    file: str
    """Its own name."""
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedPython:
    """A relocatable Python: an archive, and where its program is in it."""

    part: Part
    program: SafePath


@dataclass(frozen=True, slots=True, kw_only=True)
class KitTable:
    airlock: str
    """Its version."""
    target: Target
    parts: tuple[Part, ...]
    """What airlock consists of: itself and its dependencies. Sorted by member."""
    python: CarriedPython | None = None
    bundle: str = ""
    """The name of the bundle that is brought along; empty where there is none."""


def write_kit_table(table: KitTable) -> bytes:
    document: dict[str, Any] = {
        "format": FORMAT,
        "airlock": table.airlock,
        "target": write_target(table.target),
        "parts": [_write_part(part) for part in table.parts],
    }
    if table.python:
        document["python"] = _write_part(table.python.part) | {"program": table.python.program}
    if table.bundle:
        document["bundle"] = table.bundle
    return dumps(document)


def _write_part(part: Part) -> dict[str, Any]:
    return {"member": part.member, "file": part.file, "size": part.size, "digest": part.digest}


def parse_kit_table(data: bytes, where: str) -> KitTable:
    """Raises IntegrityError with the place of the fault."""
    fields = Fields(loads(data, where), where, IntegrityError)
    if (found := fields.text("format")) != FORMAT:
        raise fields.fault("format", f"unknown format {found!r}: expected {FORMAT!r}", "update airlock")
    target = fields.table("target")
    table = KitTable(
        airlock=fields.parsed("airlock", plain_text),
        target=read_target(target),
        parts=tuple(_part(row) for row in fields.tables("parts")),
        python=_python(fields.table("python")) if "python" in fields else None,
        bundle=fields.parsed("bundle", _file_name) if "bundle" in fields else "",
    )
    target.done()
    fields.raw("python")
    fields.raw("bundle")
    fields.done()
    members = [part.member for part in table.parts]
    if not members or members != sorted(set(members)):
        raise fields.fault("parts", "expected at least one, sorted by member, each once")
    return table


def _python(fields: Fields) -> CarriedPython:
    program = fields.safe_path("program")
    return CarriedPython(part=_part(fields), program=program)


def _part(fields: Fields) -> Part:
    part = Part(
        member=fields.parsed("member", _member),
        file=fields.parsed("file", _file_name),
        size=fields.integer("size", limit=MAX_ARTIFACT),
        digest=fields.digest("digest"),
    )
    fields.done()
    return part


def _member(text: str, place: str) -> str:
    if not _MEMBER.fullmatch(text):
        raise ValueError(f"expected a member as wheels/NAME.whl, found {text!r}")
    return text


def _file_name(text: str, place: str) -> str:
    if "/" in safe_path(text, place):
        raise ValueError(f"expected a file name without directories, found {text!r}")
    return plain_text(text, place)
