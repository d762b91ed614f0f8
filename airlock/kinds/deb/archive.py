"""Ask an archive for a suite: its signed Release, and the indexes of packages that this vouches for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest, chunks_of, digest_of, hex_of
from airlock.core.paths import safe_path
from airlock.errors import FetchError, IntegrityError
from airlock.kinds import NearSide
from airlock.kinds.deb.compressed import decompressed
from airlock.kinds.deb.release import Listed, Release, parse_release
from airlock.kinds.deb.signature import signed_text
from airlock.kinds.deb.sources import Trust
from airlock.kinds.download import download

MAX_INDEX = 1 << 30
"""Bytes of an index of packages, decompressed; Debian's largest has some 60 MB."""
_SUFFIXES = (".xz", ".gz", "")
"""What an index may be compressed as, the smallest first."""
_OLD = "snapshots of the archive have old versions: declare one as [[index]] with explicit = true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a suite is."""

    name: str
    """Of the archive, as the lock has it."""
    url: str
    """Of the archive, without a slash at its end."""
    suite: str
    trust: Trust

    @property
    def where(self) -> str:
        return f"archive {self.name}: {self.suite}"

    @property
    def folder(self) -> str:
        """Of the Release, below the archive: a suite that ends with a slash is itself a path (sources.list(5))."""
        if self.suite.endswith("/"):
            return self.suite.removeprefix("./")
        return f"dists/{self.suite}/"

    @property
    def flat(self) -> bool:
        return self.suite.endswith("/")


def fetch_release(place: Place, near: NearSide, newest: datetime | None) -> Release:
    """The suite's Release, verified; one that is older than `newest`, which was seen before,
    is refused. Raises FetchError or IntegrityError."""
    url = f"{place.url}/{place.folder}InRelease"
    reply = near.web.get(url, {"Cache-Control": "no-cache"})
    if reply.status != 200:
        hint = "check the suite and the archive's URL; archives without InRelease are not taken"
        raise FetchError(
            place.where, "no InRelease", expected="status 200", found=str(reply.status), hint=hint
        )
    where = f"{place.where}: InRelease"
    text = signed_text(reply.body, place.trust.keyrings, place.trust.signers, where)
    release = parse_release(text, reply.body, where)
    if not place.flat and place.suite not in release.names:
        found = ", ".join(sorted(release.names)) or "no name"
        raise IntegrityError(where, "is of another suite", expected=place.suite, found=found)
    if newest and release.date < newest:
        raise IntegrityError(
            where,
            "older than one that was seen before: the archive, or somebody on the way, goes back in time",
            expected=f"{newest:%Y-%m-%d %H:%M} or later",
            found=f"{release.date:%Y-%m-%d %H:%M}",
            hint="a snapshot is asked for by exclude-newer",
        )
    return release


def check_moment(place: Place, release: Release, cutoff: datetime | None, now: datetime | None) -> None:
    """Against the clock, or the cutoff, which then takes its place: a snapshot has expired long ago. Raises FetchError."""
    if cutoff and release.date > cutoff:
        expected, found = (f"{one:%Y-%m-%d %H:%M}" for one in (cutoff, release.date))
        what = "is of later than exclude-newer"
        raise FetchError(place.where, what, expected=f"at most {expected}", found=found, hint=_OLD)
    moment = cutoff or now
    if moment and release.valid_until and release.valid_until < moment:
        raise FetchError(
            place.where,
            "its Release has expired, so newer versions may be kept back",
            expected=f"valid on {moment:%Y-%m-%d %H:%M}",
            found=f"valid until {release.valid_until:%Y-%m-%d %H:%M}",
            hint="ask another mirror; for an old state on purpose, say exclude-newer",
        )


def indexes(place: Place, release: Release, component: str, architecture: str) -> Iterator[str]:
    """Paths of the indexes of packages, relative to the Release and without a suffix. Raises FetchError."""
    if place.flat:
        yield "Packages"
        return
    if not any(known.rpartition("/")[2] == component for known in release.components):
        found = ", ".join(release.components)
        raise FetchError(place.where, f"has no component {component!r}", found=found or "none")
    if release.architectures and architecture not in release.architectures:
        found = ", ".join(release.architectures)
        raise FetchError(place.where, f"has nothing for the architecture {architecture!r}", found=found)
    yield f"{component}/binary-{architecture}/Packages"
    if release.all_apart and any(
        f"{component}/binary-all/Packages{end}" in release.files for end in _SUFFIXES
    ):
        yield f"{component}/binary-all/Packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index of packages."""

    digest: Digest
    """Of its uncompressed text where the Release lists that, else of the file."""
    data: bytes


def fetch_index(place: Place, release: Release, path: str, near: NearSide) -> Index:
    """Into the store, so that it is fetched once, and out of its compression. Raises FetchError or IntegrityError."""
    where = f"{place.where}: {path}"
    for suffix in _SUFFIXES:
        if (listed := release.files.get(path + suffix)) is not None:
            break
    else:
        raise FetchError(where, "the Release does not list it")
    folder = f"{place.url}/{place.folder}{path.rpartition('/')[0]}".rstrip("/")
    name = f"by-hash/SHA256/{hex_of(listed.digest)}" if release.by_hash else f"Packages{suffix}"
    _into_store(f"{folder}/{name}", listed, where, near)
    plain = release.files.get(path)
    limit = plain.size if plain else MAX_INDEX
    with near.store.open(listed.digest, where) as stream:
        data = _unpacked(stream, suffix, min(limit, MAX_INDEX), where)
    if plain and digest_of(data) != plain.digest:
        raise IntegrityError(where, "unpacks to something else than the Release says", expected=plain.digest)
    return Index(digest=plain.digest if plain else listed.digest, data=data)


def _into_store(url: str, listed: Listed, where: str, near: NearSide) -> None:
    if listed.digest in near.store:
        return
    artifact = Artifact(
        kind="deb", name=where, version="", file="Packages", size=listed.size, digest=listed.digest
    )
    download(url, artifact, near)


def _unpacked(stream: BinaryIO, suffix: str, limit: int, where: str) -> bytes:
    """At most `limit` bytes. Raises IntegrityError."""
    chunks = chunks_of(stream)
    found: list[bytes] = []
    left = limit
    for piece in decompressed(chunks, suffix.removeprefix("."), where) if suffix else chunks:
        left -= len(piece)
        if left < 0:
            raise IntegrityError(where, "unpacks to more than it may", expected=f"{limit} bytes")
        found.append(piece)
    return b"".join(found)


def pool_path(text: str, where: str) -> str:
    """A `Filename`, relative to the archive. Raises IntegrityError for what leads out of it."""
    return safe_path(text.removeprefix("./"), where)
