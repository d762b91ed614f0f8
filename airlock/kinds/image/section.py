"""`[[image]]` in `airlock.toml`, read."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from airlock.core.fields import Fields
from airlock.core.paths import SafePath
from airlock.core.target import Target
from airlock.errors import UsageError
from airlock.formats.manifest import Manifest
from airlock.kinds.destination import read_targets
from airlock.oci.platform import Platform, parse_platform, platform_of
from airlock.oci.reference import Reference, is_tag, parse_reference

SECTION = "image"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TRANSPORTS = ("containers-storage:", "docker://")
ENGINE = "podman"
"""What `deliver` says for the storage of podman, buildah and CRI-O, under the image's own reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDisk:
    """A layout, or an archive of images, beside the manifest."""

    path: SafePath
    tag: str
    """Empty where there is only one image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    where: str
    """File and place, as `airlock.toml: image[0]`."""
    name: str
    source: Reference | OnDisk
    platform: Platform | None
    """What the user wants instead of what the targets are."""
    signatures: bool
    deliver: str
    """`podman`, or a destination; empty for nowhere."""
    targets: tuple[str, ...]

    @property
    def origin(self) -> dict[str, str]:
        """What the lockfile holds of where it is from: only what the user wrote."""
        if isinstance(self.source, Reference):
            return {"reference": str(self.source)}
        return {"path": self.source.path} | ({"tag": self.source.tag} if self.source.tag else {})

    @property
    def tag(self) -> str:
        return self.source.tag

    @property
    def name_there(self) -> str:
        """What engines on the far side call it. A name that begins with one of `[[registry]]` would be taken for another."""
        if not isinstance(self.source, Reference):
            return f"localhost/{self.name}:{self.tag.rpartition(':')[2] or 'latest'}"
        registry = self.source.registry
        host = registry if registry == "localhost" or any(mark in registry for mark in ".:") else "localhost"
        return f"{host}/{self.source.repository}:{self.tag or 'latest'}"

    @property
    def destination(self) -> str:
        """Where the far side hands it to, as skopeo spells it; empty for nowhere."""
        return f"containers-storage:{self.name_there}" if self.deliver == ENGINE else self.deliver

    def platform_for(self, target: Target) -> Platform:
        """Raises UsageError."""
        if (platform := self.platform or platform_of(target)) is None:
            raise UsageError(
                f"{self.where}.platform",
                f"missing: the target {target.name!r} is no Linux that containers are made for",
                hint='say what its engine runs, as platform = "linux/amd64"',
            )
        return platform


def read_section(manifest: Manifest, where: str) -> tuple[Entry, ...]:
    """In the order of their names. Raises UsageError with the place of the fault."""
    section = Fields({SECTION: manifest.sections.get(SECTION, [])}, where, UsageError)
    entries = [_entry(fields, manifest) for fields in section.tables(SECTION)]
    _check_distinct(entries, "name", lambda entry: entry.name)
    _check_distinct(entries, "deliver", lambda entry: entry.destination)
    return tuple(sorted(entries, key=lambda entry: (entry.name, entry.targets)))


def _check_distinct(entries: Sequence[Entry], key: str, value: Callable[[Entry], str]) -> None:
    """No target has two images of one name, or hands two on to one place."""
    taken: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        for target in entry.targets if value(entry) else ():
            if (other := taken.setdefault((value(entry), target), entry)) is not entry:
                place = other.where.rpartition(" ")[2]
                raise UsageError(
                    f"{entry.where}.{key}",
                    f"{value(entry)!r} is also that of {place}, on the target {target!r}",
                    hint=f"give one of the two another `{key}`",
                )


def _entry(fields: Fields, manifest: Manifest) -> Entry:
    source = _source(fields)
    given = fields.parsed("name", _name) if "name" in fields else ""
    deliver = fields.parsed("deliver", _deliver) if "deliver" in fields else ""
    entry = Entry(
        where=f"{fields.where}: {fields.path}",
        name=given or _default_name(source, fields),
        source=source,
        platform=fields.parsed("platform", lambda text, _: parse_platform(text))
        if "platform" in fields
        else None,
        signatures=fields.flag("signatures", True),
        deliver=deliver,
        targets=read_targets(fields, manifest),
    )
    fields.done()
    return entry


def _source(fields: Fields) -> Reference | OnDisk:
    reference, path, tag = (fields.optional_text(key) for key in ("reference", "path", "tag"))
    if (reference is None) == (path is None):
        raise fields.fault("", "expected either reference or path", "path is relative to the manifest")
    if reference is not None:
        if tag is not None:
            raise fields.fault("tag", "belongs to a path; a reference holds its own, as REGISTRY/NAME:TAG")
        return fields.parsed("reference", lambda text, _: parse_reference(text))
    if tag is not None and not is_tag(tag.rpartition(":")[2]):
        raise fields.fault("tag", f"not a tag: {tag[:130]!r}")
    return OnDisk(path=fields.safe_path("path"), tag=tag or "")


def _name(text: str, place: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"expected lower case letters, digits and single dashes, found {text[:80]!r}")
    return text


def _default_name(source: Reference | OnDisk, fields: Fields) -> str:
    if isinstance(source, Reference):
        base = source.repository.rpartition("/")[2]
    else:
        base = re.sub(r"(\.oci|\.docker)?\.tar$", "", PurePosixPath(source.path).name)
    name = re.sub(r"[^a-z0-9]+", "-", base.lower()).strip("-")
    if not name:
        raise fields.fault("name", "missing, and the path has none that could be taken")
    return name


def _deliver(text: str, place: str) -> str:
    for transport in _TRANSPORTS:
        if text.startswith(transport):
            rest = parse_reference(text.removeprefix(transport))
            if rest.digest is not None or not rest.tag:
                raise ValueError(f"expected a name with a tag and without a digest, found {text!r}")
            return text
    if text != ENGINE:
        raise ValueError(
            f"expected {ENGINE!r}, or {' or '.join(f'{one}REGISTRY/NAME:TAG' for one in _TRANSPORTS)}, found {text!r}"
        )
    return text
