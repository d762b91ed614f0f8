"""The kind `file`: one file as it is, from beside the manifest or from a URL, `[[file]]` in `airlock.toml`."""

import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from airlock.core.artifact import Artifact
from airlock.core.canonical_json import dumps
from airlock.core.digest import Digest, chunks_of, digest_of, digest_of_stream, parse_digest
from airlock.core.expanded import Member
from airlock.core.fields import Fields
from airlock.errors import IntegrityError, UsageError
from airlock.formats.lockfile import LockedArtifact
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide, PinRequest, Room
from airlock.kinds.destination import Destination, check_distinct, place_whole, read_destination
from airlock.kinds.download import download, download_unmeasured
from airlock.kinds.inside import file_inside
from airlock.kinds.serving import Holding, Offer

SERVED = "/files/"
CHANGED = "lock it anew with `airlock lock`, or bring the locked content back"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Local:
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remote:
    url: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    where: str
    """File and place, as `airlock.toml: file[0]`."""
    destination: Destination
    source: _Local | _Remote


@dataclass(frozen=True, slots=True)
class FileKind:
    name = "file"
    section = "file"

    def fingerprint(self, manifest: Manifest, where: str, directory: Path) -> Digest:
        document = [
            {
                "content": _digest(entry, directory),
                "origin": _origin(entry.source),
                "placement": dict(entry.destination.placement),
                "targets": list(entry.destination.targets),
            }
            for entry in _entries(manifest, where)
        ]
        return digest_of(dumps(document))

    def pin(self, request: PinRequest) -> tuple[LockedArtifact, ...]:
        entries = _entries(request.manifest, request.where)
        return tuple(_pinned(entry, request.near) for entry in entries)

    def obtain(self, artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
        if artifact.digest in near.store:
            return
        if "path" in artifact.origin:
            _take_in(artifact, near)
        elif "url" in artifact.origin:
            download(_locked_url(artifact), artifact, near)
        else:
            raise IntegrityError(f"{artifact.label}: origin", "neither a path nor a url")

    def opens(self, artifact: Artifact) -> bool:
        return False

    def place(self, artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room) -> None:
        place_whole(artifact, contents, room)

    def served(self, holdings: Sequence[Holding]) -> Mapping[str, Offer]:
        """Each that everybody on the machine may read, below `/files/` at its destination; of several versions the one in
        use, or the newest."""
        offers: dict[str, Offer] = {}
        for holding in holdings:
            for path, placed in holding.files.items():
                if placed.entry.mode & stat.S_IROTH:
                    offers.setdefault(f"{SERVED}{path}", Offer(body=placed))
        return offers


def _entries(manifest: Manifest, where: str) -> list[_Entry]:
    section = Fields({"file": manifest.sections.get("file", [])}, where, UsageError)
    entries = [_entry(fields, manifest) for fields in section.tables("file")]
    check_distinct(where, ((f"file[{number}]", entry.destination) for number, entry in enumerate(entries)))
    return entries


def _entry(fields: Fields, manifest: Manifest) -> _Entry:
    entry = _Entry(
        where=f"{fields.where}: {fields.path}",
        source=_source(fields),
        destination=read_destination(fields, manifest),
    )
    fields.done()
    return entry


def _source(fields: Fields) -> _Local | _Remote:
    path, url = fields.optional_text("path"), fields.optional_text("url")
    sha256 = fields.optional_text("sha256")
    if (path is None) == (url is None):
        raise fields.fault("", "expected either path or url", "path is relative to the manifest")
    if path is not None:
        if sha256 is not None:
            raise fields.fault("sha256", "belongs to a url; a local file is hashed when it is locked")
        return _Local(path=fields.safe_path("path"))
    if sha256 is None:
        raise fields.fault("sha256", "missing", "a url needs the sha256 of what it serves, 64 hex digits")
    digest = fields.parsed("sha256", lambda text, place: parse_digest("sha256:" + text.lower(), place))
    return _Remote(url=fields.parsed("url", _url), digest=digest)


def _url(text: str, place: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected an http or https URL, found {text!r}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password, which would stand in the lockfile")
    return text


def _locked_url(artifact: Artifact) -> str:
    where = f"{artifact.label}: origin.url"
    try:
        return _url(artifact.origin["url"], where)
    except ValueError as error:
        raise IntegrityError(where, f"not a URL to fetch from, {error}") from error


def _digest(entry: _Entry, directory: Path) -> Digest:
    if isinstance(entry.source, _Remote):
        return entry.source.digest
    with file_inside(directory, entry.source.path, f"{entry.where}.path", UsageError).open("rb") as stream:
        return digest_of_stream(stream)[0]


def _origin(source: _Local | _Remote) -> dict[str, str]:
    return {"path": source.path} if isinstance(source, _Local) else {"url": source.url}


def _pinned(entry: _Entry, near: NearSide) -> LockedArtifact:
    digest, size = _stored(entry, near)
    destination = entry.destination
    artifact = Artifact(
        kind="file",
        name=destination.path,
        version="",
        file=_file_name(entry),
        size=size,
        digest=digest,
        placement=destination.placement,
        origin=MappingProxyType(_origin(entry.source)),
    )
    return LockedArtifact(artifact=artifact, targets=destination.targets)


def _stored(entry: _Entry, near: NearSide) -> tuple[Digest, int]:
    """Put the bytes into the store; a URL is asked once, to learn its size."""
    if isinstance(entry.source, _Remote):
        label = f"file {entry.destination.path}"
        _, size = download_unmeasured(entry.source.url, entry.source.digest, label, near)
        return entry.source.digest, size
    path = file_inside(near.directory, entry.source.path, f"{entry.where}.path", UsageError)
    with path.open("rb") as stream:
        return near.store.put(chunks_of(stream))


def _file_name(entry: _Entry) -> str:
    source = entry.source
    path = source.path if isinstance(source, _Local) else unquote(urlsplit(source.url).path)
    name = PurePosixPath(path).name
    return name if name.isprintable() and name.strip(".") else PurePosixPath(entry.destination.path).name


def _take_in(artifact: Artifact, near: NearSide) -> None:
    where = f"{artifact.label}: {artifact.origin['path']}"
    with file_inside(near.directory, artifact.origin["path"], where).open("rb") as stream:
        try:
            near.store.put(chunks_of(stream), artifact.digest, where)
        except IntegrityError as error:
            raise IntegrityError(
                where,
                "the file changed since it was locked",
                expected=error.expected,
                found=error.found,
                hint=CHANGED,
            ) from error
