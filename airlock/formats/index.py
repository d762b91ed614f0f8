"""`index.json`, the table of contents of a bundle. Signatures are over its digest; it names every other byte.

Digests are of uncompressed content, so a bundle that was recompressed, or restored by a delta, still verifies.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from airlock.core.artifact import Activation, Artifact, Encoder, HealthCheck, Project
from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import Digest, digest_of, hex_of, parse_digest
from airlock.core.fields import Fields
from airlock.core.target import Target
from airlock.errors import IntegrityError
from airlock.formats.exceptions import Exempted, read_exceptions, write_exception
from airlock.formats.rows import (
    MAX_ARTIFACT,
    plain_text,
    read_activation,
    read_artifact,
    read_encoder,
    read_health,
    read_project,
    read_target,
    write_activation,
    write_artifact,
    write_encoder,
    write_health,
    write_project,
    write_target,
)

INDEX = "index.json"
"""The archive member that holds the table of contents, which signatures are over."""
FORMAT = "airlock-bundle/1"
RAW = "raw/1"
DOCUMENTS = "documents/"
"""Where documents are in the archive."""
MAX_DOCUMENT = 64 << 20
"""Bytes of one."""
MAX_DOCUMENTS = 100
_DOCUMENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_MEDIA = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,80}")
_CODEC = re.compile(r"[a-z0-9-]{1,40}/[0-9]{1,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """An artifact's expanded form: `form` names what restores the original (`raw/1` is the original itself)."""

    form: str
    size: int
    digest: Digest
    codecs: tuple[str, ...] = ()
    """Sorted names of the container codecs and stream encoders that restore the original."""
    file_codecs: tuple[str, ...] = ()
    """Those of them that are needed for the files inside alone."""


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
class Document:
    """What crosses for people and their tools, and is placed nowhere, as a bill of materials."""

    name: str
    """As `sbom.cdx.json`."""
    media: str
    """A media type (RFC 6838)."""
    size: int
    digest: Digest

    @property
    def member(self) -> str:
        """The name of the archive member that holds it, in a zstd frame."""
        return f"{DOCUMENTS}{self.name}.zst"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleIndex:
    project: Project
    target: Target
    encoder: Encoder
    health: HealthCheck | None
    entries: tuple[IndexEntry, ...]
    """Sorted by kind and name."""
    activation: tuple[Activation, ...] = ()
    """In the order in which they are run."""
    exceptions: tuple[Exempted, ...] = ()
    """From the audit, each with its reason; whoever signs the index signs them."""
    documents: tuple[Document, ...] = ()
    """Sorted by name."""


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
    if index.activation:
        document["activation"] = [write_activation(one) for one in index.activation]
    if index.exceptions:
        document["exceptions"] = [write_exception(one) for one in index.exceptions]
    if index.documents:
        document["documents"] = [_write_document(one) for one in index.documents]
    return dumps(document)


def _write_document(one: Document) -> dict[str, object]:
    return {"name": one.name, "media": one.media, "size": one.size, "sha256": hex_of(one.digest)}


def index_digest(index: BundleIndex) -> Digest:
    return digest_of(write_index(index))


def _write_entry(entry: IndexEntry) -> dict[str, object]:
    return write_artifact(entry.artifact) | {"expanded": write_expanded(entry.expanded)}


def write_expanded(expanded: Expanded) -> dict[str, object]:
    table: dict[str, object] = {
        "form": expanded.form,
        "size": expanded.size,
        "sha256": hex_of(expanded.digest),
    }
    for key, names in (("codecs", expanded.codecs), ("file_codecs", expanded.file_codecs)):
        if names:
            table[key] = list(names)
    return table


def read_expanded(fields: Fields) -> Expanded:
    expanded = Expanded(
        form=fields.parsed("form", plain_text),
        size=fields.integer("size", limit=MAX_ARTIFACT),
        digest=fields.parsed("sha256", lambda text, place: parse_digest("sha256:" + text, place)),
        codecs=_names(fields, "codecs"),
        file_codecs=_names(fields, "file_codecs"),
    )
    fields.done()
    if not set(expanded.file_codecs) <= set(expanded.codecs):
        raise fields.fault("file_codecs", "names what codecs does not")
    if expanded.form == RAW and expanded.codecs:
        raise fields.fault("codecs", f"{RAW} needs none")
    return expanded


def _names(fields: Fields, key: str) -> tuple[str, ...]:
    if key not in fields:
        return ()
    names = fields.texts(key)
    if not names or list(names) != sorted(set(names)) or not all(map(_CODEC.fullmatch, names)):
        raise fields.fault(key, "not names of codecs as `zip/1`, sorted, each once")
    return names


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
        activation=_activation(fields),
        exceptions=read_exceptions(fields.tables("exceptions")),
        documents=tuple(_document(table) for table in fields.tables("documents")),
    )
    fields.raw("health")
    fields.done()
    keys = [entry.artifact.key for entry in index.entries]
    if keys != sorted(set(keys)):
        raise fields.fault("artifacts", "not sorted by kind and name, or one stands twice")
    names = [one.name for one in index.documents]
    if names != sorted(set(names)) or len(names) > MAX_DOCUMENTS:
        raise fields.fault(
            "documents", f"not sorted by name, or one stands twice, or more than {MAX_DOCUMENTS}"
        )
    if write_index(index) != data:
        raise fields.fault(
            "", "not as airlock writes it: a default or an empty part is spelt out, or left out"
        )
    return index


def _document(fields: Fields) -> Document:
    one = Document(
        name=fields.parsed("name", _matching(_DOCUMENT, "a name as sbom.cdx.json")),
        media=fields.parsed("media", _matching(_MEDIA, "a media type")),
        size=fields.integer("size", limit=MAX_DOCUMENT),
        digest=fields.parsed("sha256", lambda text, place: parse_digest("sha256:" + text, place)),
    )
    fields.done()
    return one


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[str, str], str]:
    def check(text: str, place: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"expected {expected}, found {text!r}")
        return text

    return check


def _activation(fields: Fields) -> tuple[Activation, ...]:
    if "activation" not in fields:
        return ()
    return tuple(read_activation(table) for table in fields.tables("activation"))


def _target(fields: Fields) -> Target:
    target = read_target(fields)
    fields.done()
    return target


def _entry(fields: Fields) -> IndexEntry:
    artifact = read_artifact(fields)
    if artifact.origin:
        raise fields.fault("origin", "does not cross the gap")
    entry = IndexEntry(artifact=artifact, expanded=read_expanded(fields.table("expanded")))
    fields.done()
    content = entry.expanded
    if content.form == RAW and (content.digest, content.size) != (artifact.digest, artifact.size):
        raise fields.fault("expanded", f"{RAW} is the artifact itself, but has another digest or size")
    return entry
