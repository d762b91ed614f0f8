"""The kind `config`: text rendered for each target when it is locked, `[[config]]` in `airlock.toml`.

The rendered text itself stands in the lockfile, so that a lock is complete, and a review of it sees what will be placed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airlock.core.artifact import Artifact
from airlock.core.canonical_json import dumps
from airlock.core.digest import Digest, digest_of
from airlock.core.expanded import Member
from airlock.core.fields import Fields
from airlock.core.paths import SafePath
from airlock.errors import IntegrityError, UsageError
from airlock.formats.lockfile import LockedArtifact
from airlock.formats.manifest import DeclaredTarget, Manifest
from airlock.kinds import NearSide, PinRequest, Room
from airlock.kinds.destination import Destination, check_distinct, place_whole, read_destination

if TYPE_CHECKING:
    from airlock.kinds.templates import Template, Templates

RESERVED = ("project", "target", "values")
"""Names that every template has, and no variable may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    template: "Template"
    variables: Mapping[str, Any]
    destination: Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One rendered text, for one or more targets."""

    text: str
    destination: Destination


@dataclass(frozen=True, slots=True)
class ConfigKind:
    name = "config"
    section = "config"
    editable = True

    def fingerprint(self, manifest: Manifest, where: str, directory: Path) -> Digest:
        rows = _rows(manifest, where, directory)
        document = [
            {
                "text": row.text,
                "placement": dict(row.destination.placement),
                "targets": list(row.destination.targets),
            }
            for row in rows
        ]
        return digest_of(dumps(document))

    def pin(self, request: PinRequest) -> tuple[LockedArtifact, ...]:
        rows = _rows(request.manifest, request.where, request.near.directory)
        pinned = tuple(
            LockedArtifact(artifact=_artifact(row), targets=row.destination.targets) for row in rows
        )
        for locked in pinned:
            self.obtain(locked.artifact, request.manifest, request.near)
        return pinned

    def obtain(self, artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
        from airlock.kinds.templates import MAX_RENDERED

        if (text := artifact.origin.get("text")) is None:
            raise IntegrityError(f"{artifact.label}: origin", "no text")
        if len(text) > MAX_RENDERED:
            raise IntegrityError(
                f"{artifact.label}: origin", "too large", expected=f"at most {MAX_RENDERED} bytes"
            )
        near.store.put([text.encode()], artifact.digest, f"{artifact.label}: origin.text")

    def opens(self, artifact: Artifact) -> bool:
        return False

    def place(self, artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room) -> None:
        place_whole(artifact, contents, room)


def _artifact(row: _Row) -> Artifact:
    data = row.text.encode()
    return Artifact(
        kind="config",
        name=row.destination.path,
        version="",
        file=PurePosixPath(row.destination.path).name,
        size=len(data),
        digest=digest_of(data),
        placement=row.destination.placement,
        origin=MappingProxyType({"text": row.text}),
    )


def _rows(manifest: Manifest, where: str, directory: Path) -> list[_Row]:
    """Every text to place, sorted; targets whose text and mode are equal share a row."""
    targets: dict[tuple[SafePath, str, str], list[str]] = {}
    for entry in _entries(manifest, where, directory):
        for declared in manifest.targets:
            if declared.target.name in entry.destination.targets:
                text = entry.template.render(_names(manifest, declared, entry.variables))
                key = (entry.destination.path, entry.destination.mode, text)
                targets.setdefault(key, []).append(declared.target.name)
    return [
        _Row(text=text, destination=Destination(path=path, mode=mode, targets=tuple(sorted(names))))
        for (path, mode, text), names in sorted(targets.items())
    ]


def _names(manifest: Manifest, declared: DeclaredTarget, variables: Mapping[str, Any]) -> dict[str, Any]:
    target = declared.target
    return {
        **variables,
        "project": {"name": manifest.project.name, "version": manifest.project.version},
        "target": {
            "name": target.name,
            "python": target.python,
            "platform": target.platform,
            "prefix": target.prefix,
        },
        "values": declared.values,
    }


def _entries(manifest: Manifest, where: str, directory: Path) -> list[_Entry]:
    from airlock.kinds.templates import Templates

    templates = Templates(directory)
    section = Fields({"config": manifest.sections.get("config", [])}, where, UsageError)
    entries = [_entry(fields, manifest, templates) for fields in section.tables("config")]
    check_distinct(where, ((f"config[{number}]", entry.destination) for number, entry in enumerate(entries)))
    return entries


def _entry(fields: Fields, manifest: Manifest, templates: "Templates") -> _Entry:
    path, text = fields.optional_text("template"), fields.optional_text("text")
    variables = fields.table("variables").items()
    destination = read_destination(fields, manifest)
    fields.done()
    if (path is None) == (text is None):
        raise fields.fault("", "expected either template or text", "template is relative to the manifest")
    for name in variables:
        if not name.isidentifier() or name in RESERVED:
            raise fields.fault(
                f"variables.{name}",
                "not a name that a variable can have",
                f"letters, digits and underscores, and not {', '.join(RESERVED)}",
            )
    place = f"{fields.where}: {fields.path}"
    if path is not None:
        template = templates.at(fields.safe_path("template"), f"{place}.template")
    else:
        template = templates.inline(str(text), f"{place}.text")
    return _Entry(template=template, variables=variables, destination=destination)
