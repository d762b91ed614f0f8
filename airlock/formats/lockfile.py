"""`airlock.lock`: every artifact of every target, pinned to exact bytes. One line an artifact, no host, no clock.

Read with `tomllib`, written by the one canonical writer below: same content, same bytes.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airlock.core.artifact import Artifact, Encoder, HealthCheck, Project
from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, parse_digest
from airlock.core.fields import Fields
from airlock.core.target import Target
from airlock.errors import IntegrityError, UsageError
from airlock.formats.documents import PinnedDocuments, read_documents, write_documents
from airlock.formats.exceptions import Exempted, read_exceptions, write_exception
from airlock.formats.index import BundleIndex
from airlock.formats.rows import (
    plain_text,
    read_artifact,
    read_encoder,
    read_health,
    read_project,
    read_target,
    write_artifact,
    write_encoder,
    write_health,
    write_project,
    write_target,
)

VERSION = 1
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_BUILD = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*==[a-z0-9.+!]{1,200} on 3\.[0-9]{1,3}t?")
_HEAD = "# Written by `airlock lock`. Commit it; do not edit it.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedArtifact:
    artifact: Artifact
    targets: tuple[str, ...]
    """The names of the targets that use it, sorted."""
    builds: tuple[str, ...] = ()
    """The wheels that it is a tool to build, as `docopt==0.6.2 on 3.11` with the Python that builds, sorted. What has no
    targets besides never crosses the gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoff:
    """The instant after which nothing on an index counts, fixed when it was locked."""

    instant: str
    """RFC 3339, in UTC, as `2026-08-01T00:00:00Z`."""
    cooldown: str = ""
    """What it was reckoned from, as `7 days`; empty where the manifest names the instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A version that something else had chosen, for the next `airlock lock` to start from."""

    name: str
    version: str
    source: str
    """The file that said so."""
    marker: str = ""
    """PEP 508; empty where the version is meant for every target."""
    files: tuple[tuple[str, str], ...] = ()
    """File names, empty where they are not known, and their sha256 in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockfile:
    project: Project
    encoder: Encoder
    inputs: Mapping[str, Digest]
    """A fingerprint of each part of the manifest that was locked, so that `--check` can say which part changed."""
    targets: tuple[Target, ...]
    health: HealthCheck | None
    artifacts: tuple[LockedArtifact, ...]
    cutoff: Cutoff | None = None
    seeds: tuple[Seed, ...] = ()
    """Where there are any, the lock is one to start from, and not yet one to build from."""
    documents: PinnedDocuments | None = None
    """None where bundles carry none."""
    exceptions: tuple[Exempted, ...] = ()
    """From the audit, as the manifest declares them."""

    def target(self, name: str, where: str = "airlock.lock") -> Target:
        for target in self.targets:
            if target.name == name:
                return target
        known = ", ".join(target.name for target in self.targets)
        raise UsageError(where, "no such target", expected=f"one of {known}", found=repr(name))

    def versions_apart(self) -> dict[tuple[str, str], dict[str, tuple[str, ...]]]:
        """Kind and name of what is pinned to different versions on different targets, and by version the targets, sorted."""
        found: dict[tuple[str, str], dict[str, set[str]]] = {}
        for locked in self.artifacts:
            if locked.targets and locked.artifact.version:
                versions = found.setdefault(locked.artifact.key, {})
                versions.setdefault(locked.artifact.version, set()).update(locked.targets)
        return {
            key: {version: tuple(sorted(targets)) for version, targets in sorted(versions.items())}
            for key, versions in sorted(found.items())
            if len(versions) > 1
        }

    def artifacts_for(self, target: str) -> tuple[Artifact, ...]:
        return tuple(locked.artifact for locked in self.artifacts if target in locked.targets)


def parse_lockfile(data: bytes, where: str) -> Lockfile:
    """Read a lockfile. Raises IntegrityError with the place of the fault."""
    if len(data) > MAX_SIZE:
        expected = f"at most {MAX_SIZE} bytes"
        raise IntegrityError(where, "too large", expected=expected, found=f"{len(data)} bytes")
    try:
        document = tomllib.loads(data.decode())
    except (
        ValueError,
        RecursionError,
    ) as error:  # tomllib: bad TOML, bad UTF-8, endless digits, endless nesting
        raise IntegrityError(
            where, f"not valid TOML, {error}", hint="write it anew with `airlock lock`"
        ) from error
    fields = Fields(document, where, IntegrityError)
    if (version := fields.integer("version")) != VERSION:
        raise IntegrityError(
            where,
            "unknown lockfile version",
            expected=str(VERSION),
            found=str(version),
            hint="update airlock",
        )
    lockfile = Lockfile(
        project=read_project(fields.table("project")),
        encoder=read_encoder(fields.table("encoder")),
        inputs=_inputs(fields.table("inputs")),
        targets=tuple(_target(table) for table in fields.tables("targets")),
        health=read_health(fields.table("health")) if "health" in fields else None,
        artifacts=tuple(_artifact(table) for table in fields.tables("artifacts")),
        cutoff=_cutoff(fields.table("cutoff")) if "cutoff" in fields else None,
        seeds=tuple(_seed(table) for table in fields.tables("seeds")),
        exceptions=read_exceptions(fields.tables("exceptions")),
        documents=read_documents(fields.table("documents")) if "documents" in fields else None,
    )
    fields.raw("health")
    fields.raw("cutoff")
    fields.raw("documents")
    fields.done()
    _check(fields, lockfile)
    return lockfile


def _inputs(fields: Fields) -> dict[str, Digest]:
    return {
        name: fields.parsed(name, lambda text, place: parse_digest(text, place)) for name in fields.items()
    }


def _cutoff(fields: Fields) -> Cutoff:
    cutoff = Cutoff(
        instant=fields.parsed("instant", _instant),
        cooldown=fields.parsed("cooldown", plain_text) if "cooldown" in fields else "",
    )
    fields.done()
    return cutoff


def _instant(text: str, place: str) -> str:
    try:
        if _INSTANT.fullmatch(text) and datetime.fromisoformat(text):
            return text
    except ValueError:
        pass
    raise ValueError(f"expected an instant, as 2026-08-01T00:00:00Z, found {text!r}")


def _seed(fields: Fields) -> Seed:
    files = []
    for item in fields.texts("files", ()):
        sha256, _, name = item.partition(" ")
        parse_digest(f"sha256:{sha256}", f"{fields.where}: {fields.path}.files")
        files.append((plain_text(name, "files"), sha256))
    seed = Seed(
        name=fields.parsed("name", plain_text),
        version=fields.parsed("version", plain_text),
        source=fields.parsed("source", plain_text),
        marker=fields.parsed("marker", plain_text) if "marker" in fields else "",
        files=tuple(files),
    )
    fields.done()
    return seed


def _write_cutoff(cutoff: Cutoff) -> dict[str, Any]:
    return {"instant": cutoff.instant} | ({"cooldown": cutoff.cooldown} if cutoff.cooldown else {})


def _write_seed(seed: Seed) -> dict[str, Any]:
    table: dict[str, Any] = {"name": seed.name, "version": seed.version, "source": seed.source}
    if seed.marker:
        table["marker"] = seed.marker
    if seed.files:
        table["files"] = [f"{sha256} {name}".rstrip() for name, sha256 in seed.files]
    return table


def _target(fields: Fields) -> Target:
    target = read_target(fields)
    fields.done()
    return target


def _artifact(fields: Fields) -> LockedArtifact:
    locked = LockedArtifact(
        artifact=read_artifact(fields),
        targets=fields.texts("targets", ()),
        builds=fields.texts("builds", ()),
    )
    for number, label in enumerate(locked.builds):
        if not _BUILD.fullmatch(label):
            raise fields.fault(f"builds[{number}]", f"expected as 'docopt==0.6.2 on 3.11', found {label!r}")
    fields.done()
    return locked


def _check(fields: Fields, lockfile: Lockfile) -> None:
    known = {target.name for target in lockfile.targets}
    if len(known) != len(lockfile.targets):
        raise fields.fault("targets", "a target stands twice")
    seen: set[tuple[str, str, str]] = set()
    for number, locked in enumerate(lockfile.artifacts):
        place = f"artifacts[{number}]"
        if not locked.targets and not locked.builds:
            raise fields.fault(f"{place}.targets", "expected a target, or what it builds, found neither")
        for target in locked.targets:
            if target not in known:
                raise fields.fault(f"{place}.targets", f"no such target: {target!r}")
            if (key := (*locked.artifact.key, target)) in seen:
                raise fields.fault(
                    place, f"{locked.artifact.kind} {locked.artifact.name} is pinned twice for {target!r}"
                )
            seen.add(key)


def write_lockfile(lockfile: Lockfile) -> bytes:
    """The canonical bytes: sorted, one line an artifact."""
    tables: list[tuple[str, dict[str, Any]]] = [
        ("project", write_project(lockfile.project)),
        ("encoder", write_encoder(lockfile.encoder)),
        ("inputs", dict(sorted(lockfile.inputs.items()))),
    ]
    if lockfile.health:
        tables.append(("health", write_health(lockfile.health)))
    targets = [write_target(target) for target in sorted(lockfile.targets, key=lambda target: target.name)]
    rows = [write_artifact(one.artifact) | _uses(one) for one in sorted(lockfile.artifacts, key=_order)]
    if lockfile.cutoff:
        tables.append(("cutoff", _write_cutoff(lockfile.cutoff)))
    if lockfile.documents:
        tables.append(("documents", write_documents(lockfile.documents)))
    blocks = [f"{_HEAD}version = {VERSION}\n", _rows("targets", targets), _rows("artifacts", rows)]
    if lockfile.seeds:
        blocks.append(_rows("seeds", [_write_seed(seed) for seed in lockfile.seeds]))
    if lockfile.exceptions:
        blocks.append(_rows("exceptions", [write_exception(one) for one in lockfile.exceptions]))
    blocks += [
        f"[{name}]\n" + "".join(f"{_key(k)} = {_toml(v)}\n" for k, v in table.items())
        for name, table in tables
    ]
    return "\n".join(blocks).encode()


def _uses(locked: LockedArtifact) -> dict[str, list[str]]:
    """Only what is not empty."""
    uses = {"targets": sorted(locked.targets), "builds": sorted(locked.builds)}
    return {key: names for key, names in uses.items() if names}


def _order(locked: LockedArtifact) -> tuple[str, str, str, str, tuple[str, ...], tuple[str, ...]]:
    artifact = locked.artifact
    uses = tuple(sorted(locked.targets)), tuple(sorted(locked.builds))
    return artifact.kind, artifact.name, artifact.version, artifact.file, *uses


def _rows(name: str, tables: list[dict[str, Any]]) -> str:
    return f"{name} = [\n" + "".join(f"  {_toml(table)},\n" for table in tables) + "]\n"


def _toml(value: object) -> str:
    match value:
        case int():
            return str(value)
        case str():
            return _string(value)
        case list():
            return "[" + ", ".join(_toml(item) for item in value) + "]"
        case dict():
            return "{ " + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items()) + " }"
        case _:
            raise TypeError(f"no TOML form for {type(value).__name__}")


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else _string(key)


def _string(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML 1.0's, but for U+007F, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def as_lock(index: BundleIndex) -> Lockfile:
    """What a bundle carries, in a lock's terms."""
    return Lockfile(
        project=index.project,
        encoder=index.encoder,
        inputs={},
        targets=(index.target,),
        health=index.health,
        artifacts=tuple(
            LockedArtifact(artifact=entry.artifact, targets=(index.target.name,)) for entry in index.entries
        ),
        exceptions=index.exceptions,
    )
