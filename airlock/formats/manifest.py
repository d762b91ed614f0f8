"""`airlock.toml`, what a project declares. Written by hand, so unknown keys are refused with a guess.

The sections that belong to a kind (`[python]`, `[[file]]`, `[[config]]`) stay raw here, for only their kind reads them.
"""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airlock.core.artifact import HealthCheck, Project
from airlock.core.fields import Fields
from airlock.core.target import Target
from airlock.errors import UsageError
from airlock.formats.documents import read_forms
from airlock.formats.exceptions import Exempted, read_exceptions
from airlock.formats.rows import read_health, read_project, read_target


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredTarget:
    target: Target
    values: Mapping[str, Any]
    """What configuration may use for this target alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    project: Project
    targets: tuple[DeclaredTarget, ...]
    indexes: Mapping[str, str]
    """Index names and their URLs; `default` is what the user's pip is configured for where it is not here."""
    explicit: frozenset[str]
    """Names of indexes that are asked only for what a rule sends there."""
    health: HealthCheck | None
    sections: Mapping[str, object]
    """Each kind's own part, as parsed TOML."""
    directory: Path
    """Where it lies; what it refers to is relative to this."""
    exceptions: tuple[Exempted, ...] = ()
    """From the audit."""
    documents: tuple[str, ...] = ()
    """Forms of a bill of materials that bundles carry, sorted."""
    registries: Mapping[str, str] = field(default_factory=dict)
    """Names that references to images begin with, and the URLs where those registries are asked instead."""


def parse_manifest(data: bytes, where: str, sections: Collection[str], directory: Path = Path()) -> Manifest:
    """Read `airlock.toml`, which lies in `directory`. `sections` are the keys that kinds own. Raises UsageError with the
    place of the fault."""
    try:
        document = tomllib.loads(data.decode())
    except (
        ValueError,
        RecursionError,
    ) as error:  # tomllib: bad TOML, bad UTF-8, endless digits, endless nesting
        raise UsageError(where, f"not valid TOML, {error}") from error
    fields = Fields(document, where, UsageError)
    indexes, explicit = _indexes(fields)
    manifest = Manifest(
        project=read_project(_section(fields, "project")),
        targets=tuple(_target(table) for table in fields.tables("target")),
        indexes=indexes,
        explicit=explicit,
        health=_health(fields.table("hooks")),
        sections={name: fields.raw(name) for name in sorted(sections) if name in fields},
        directory=directory,
        exceptions=_exceptions(fields.table("audit")),
        documents=read_forms(fields.table("documents")),
        registries=_registries(fields),
    )
    for name in sections:
        fields.raw(name)
    fields.done()
    _check_targets(fields, manifest)
    return manifest


def _section(fields: Fields, name: str) -> Fields:
    if name not in fields:
        raise fields.fault(name, "missing", hint=f"add a [{name}] table, or start with `airlock init`")
    return fields.table(name)


def _target(fields: Fields) -> DeclaredTarget:
    declared = DeclaredTarget(target=read_target(fields), values=dict(fields.table("values").items()))
    fields.done()
    return declared


def _indexes(fields: Fields) -> tuple[dict[str, str], frozenset[str]]:
    indexes: dict[str, str] = {}
    explicit = set()
    for table in fields.tables("index"):
        name, url = table.text("name"), table.text("url")
        if name in indexes:
            raise table.fault("name", f"the index {name!r} is declared twice")
        indexes[name] = url
        if table.flag("explicit", False):
            explicit.add(name)
        table.done()
    return indexes, frozenset(explicit)


def _registries(fields: Fields) -> dict[str, str]:
    registries: dict[str, str] = {}
    for table in fields.tables("registry") if "registry" in fields else ():
        name = table.text("name")
        if not name or "/" in name or name in registries:
            raise table.fault("name", f"declared twice, or no name that a reference can begin with: {name!r}")
        registries[name] = table.parsed("url", _registry_url)
        table.done()
    return registries


def _registry_url(text: str, place: str) -> str:
    """Plain HTTP has to be spelt out, and is then what the user wants."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"expected an https or http URL without a query, found {text!r}")
    return text


def _health(hooks: Fields) -> HealthCheck | None:
    health = read_health(hooks.table("health")) if "health" in hooks else None
    hooks.raw("health")
    hooks.done()
    return health


def _exceptions(audit: Fields) -> tuple[Exempted, ...]:
    found = read_exceptions(audit.tables("exception"), by_hand=True)
    audit.done()
    return found


def _check_targets(fields: Fields, manifest: Manifest) -> None:
    names = [declared.target.name for declared in manifest.targets]
    if not names:
        raise fields.fault(
            "target", "missing", hint='add a [[target]] with name, python = "3.11" and platform'
        )
    for name in names:
        if names.count(name) > 1:
            raise fields.fault("target", f"the target {name!r} is declared twice")
