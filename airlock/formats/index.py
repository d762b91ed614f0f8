"""`index.json`, the table of contents of a bundle. Signatures are over its digest; it names every other byte.

Digests are of uncompressed content, so a bundle that was recompressed, or restored by a delta, still verifies.
"""

from dataclasses import dataclass

from airlock.core.artifact import Artifact, Encoder, HealthCheck, Project
from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import Digest, digest_of, hex_of, parse_digest
from airlock.core.fields import Fields
from airlock.core.target import Target
from airlock.errors import IntegrityError
from airlock.formats.rows import (
    MAX_ARTIFACT,
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

FORMAT = "airlock-bundle/1"
RAW = "raw/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """An artifact's expanded form: `form` names the codec that restores the original (`raw/1` is the original itself)."""

    form: str
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    artifact: Artifact
    """Without its origin, which stays on the near side."""
    expanded: Expanded

    @property
    def frame(self) -> str:
        """The name of the archive member that holds the zstd frame of the expanded form."""
        return frame_name(self.expanded.digest)


def frame_name(digest: Digest) -> str:
    return f"frames/{hex_of(digest)}.zst"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleIndex:
    project: Project
    target: Target
    encoder: Encoder
    health: HealthCheck | None
    entries: tuple[IndexEntry, ...]
    """Sorted by kind and name."""


def write_index(index: BundleIndex) -> bytes:
    document = {
        "format": FORMAT,
        "project": write_project(index.project),
        "target": write_target(index.target),
        "encoder": write_encoder(index.encoder),
        "artifacts": [
            _write_entry(entry) for entry in sorted(index.entries, key=lambda entry: entry.artifact.key)
        ],
    }
    if index.health:
        document["health"] = write_health(index.health)
    return dumps(document)


def index_digest(index: BundleIndex) -> Digest:
    return digest_of(write_index(index))


def _write_entry(entry: IndexEntry) -> dict[str, object]:
    expanded = entry.expanded
    return write_artifact(entry.artifact) | {
        "expanded": {"form": expanded.form, "size": expanded.size, "sha256": hex_of(expanded.digest)}
    }


def parse_index(data: bytes, where: str) -> BundleIndex:
    """Read `index.json`. Raises IntegrityError with the place of the fault."""
    fields = Fields(loads(data, where), where, IntegrityError)
    if (found := fields.text("format")) != FORMAT:
        raise IntegrityError(
            where, "unknown bundle format", expected=FORMAT, found=repr(found), hint="update airlock"
        )
    index = BundleIndex(
        project=read_project(fields.table("project")),
        target=_target(fields.table("target")),
        encoder=read_encoder(fields.table("encoder")),
        health=read_health(fields.table("health")) if "health" in fields else None,
        entries=tuple(_entry(table) for table in fields.tables("artifacts")),
    )
    fields.raw("health")
    fields.done()
    keys = [entry.artifact.key for entry in index.entries]
    if keys != sorted(set(keys)):
        raise fields.fault("artifacts", "not sorted by kind and name, or one stands twice")
    if write_index(index) != data:
        raise fields.fault(
            "", "not as airlock writes it: a default or an empty part is spelt out, or left out"
        )
    return index


def _target(fields: Fields) -> Target:
    target = read_target(fields)
    fields.done()
    return target


def _entry(fields: Fields) -> IndexEntry:
    artifact = read_artifact(fields)
    if artifact.origin:
        raise fields.fault("origin", "does not cross the gap")
    expanded = fields.table("expanded")
    entry = IndexEntry(
        artifact=artifact,
        expanded=Expanded(
            form=expanded.parsed("form", plain_text),
            size=expanded.integer("size", limit=MAX_ARTIFACT),
            digest=expanded.parsed("sha256", lambda text, place: parse_digest("sha256:" + text, place)),
        ),
    )
    expanded.done()
    fields.done()
    content = entry.expanded
    if content.form == RAW and (content.digest, content.size) != (artifact.digest, artifact.size):
        raise fields.fault("expanded", f"{RAW} is the artifact itself, but has another digest or size")
    return entry
