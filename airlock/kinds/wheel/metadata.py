"""What a wheel says it needs (core metadata, PEP 566 and later), from the cheapest place that has it.

Places, in order: the cache; the `.metadata` file beside the wheel where the index advertises it (PEP 658, 714), with its
hash checked; the remote wheel by range requests; the whole wheel, which then stays in the store.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from airlock.core.digest import Digest, hex_of
from airlock.core.markers import holds
from airlock.core.target import Target
from airlock.errors import IntegrityError
from airlock.kinds import NearSide
from airlock.kinds.download import download_unmeasured
from airlock.kinds.wheel.releases import WheelFile, parsed_version
from airlock.kinds.wheel.remote import MAX_METADATA, RangesIgnored, RemoteFile, metadata_in
from airlock.storage.cachefile import read_checked, write_checked


class Unusable(Exception):
    """Metadata that cannot be followed; the version is passed over, and this says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    requirements: tuple[Requirement, ...]
    extras: frozenset[NormalizedName]
    requires_python: str
    sha256: str = ""
    """Of the whole METADATA file, 64 hexadecimal digits."""


def read_metadata(file: WheelFile, near: NearSide) -> bytes:
    """The METADATA of a wheel, without the wheel where possible. Raises FetchError or IntegrityError."""
    place = _place(file.index, file.digest, near.cache)
    if place is None:
        return _fetch(file, near)
    data = read_checked(place, MAX_METADATA)
    if data is None:
        data = _fetch(file, near)
        write_checked(place, data)
    return data


def cached(file: WheelFile, cache: Path) -> bytes | None:
    """The METADATA of a wheel, if it was read before."""
    place = _place(file.index, file.digest, cache)
    return read_checked(place, MAX_METADATA) if place else None


def forget(index: str, digest: Digest, cache: Path) -> None:
    """Read the METADATA of a wheel anew the next time."""
    if place := _place(index, digest, cache):
        place.unlink(missing_ok=True)


def _place(index: str, digest: Digest | None, cache: Path) -> Path | None:
    """Named by the wheel's content, so it is good for ever; and by the index, for an index must not speak for the files of
    another."""
    if digest is None:
        return None
    return cache / "metadata" / hashlib.sha256(index.encode()).hexdigest()[:16] / hex_of(digest)


def _fetch(file: WheelFile, near: NearSide) -> bytes:
    if file.digest is not None and file.digest in near.store:
        with near.store.open(file.digest) as stream:
            return metadata_in(stream, file.file)
    if file.metadata is not None and (data := _beside(file, near)) is not None:
        return data
    try:
        return metadata_in(cast("BinaryIO", RemoteFile(near.web, file.url)), file.file)
    except RangesIgnored:
        digest, _ = download_unmeasured(file.url, file.digest, file.file, near, file.size)
        with near.store.open(digest, file.file) as stream:
            return metadata_in(stream, file.file)


def _beside(file: WheelFile, near: NearSide) -> bytes | None:
    """None where the index advertises what it does not have, as mirrors do."""
    reply = near.web.get(file.url + ".metadata", {"Cache-Control": "no-store"} if file.digest else None)
    if reply.status != 200:
        return None
    data = reply.content()
    found = hashlib.sha256(data).hexdigest()
    if file.metadata and found != file.metadata:
        where = f"{file.file}.metadata"
        raise IntegrityError(where, "not what the index says", expected=file.metadata, found=found)
    return data


def parse_metadata(data: bytes, file: str, name: NormalizedName, version: object) -> Metadata:
    """Raises Unusable."""
    found = _read(_Content(hashlib.sha256(data).hexdigest(), data), file)
    if canonicalize_name(found.name) != name or parsed_version(found.version) != version:
        raise Unusable(f"{file} says it is {found.name or None} {found.version or None}")
    if found.unread is not None:
        raise Unusable(f"{file} has a requirement that cannot be read: {found.unread[:200]!r}")
    return found.metadata


@dataclass(frozen=True, slots=True)
class _Content:
    sha256: str
    data: bytes = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    name: str
    version: str
    metadata: Metadata
    unread: str | None


@lru_cache(maxsize=1_000)
def _read(content: _Content, file: str) -> _Found:
    """A lock is judged as soon as it was made: what was just read need not be read again."""
    raw = headers_of(content.data)
    texts = raw.requires_dist
    requirements = [_requirement(text) for text in texts]
    return _Found(
        name=raw.name,
        version=raw.version,
        unread=next((text for text, one in zip(texts, requirements, strict=True) if one is None), None),
        metadata=Metadata(
            requirements=tuple(one for one in requirements if one is not None),
            extras=frozenset(map(canonicalize_name, raw.provides_extra)),
            requires_python=raw.requires_python,
            sha256=content.sha256,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Those that `Metadata` is made of; what is not there is empty."""

    name: str = ""
    version: str = ""
    requires_python: str = ""
    requires_dist: Sequence[str] = ()
    provides_extra: Sequence[str] = ()


def headers_of(data: bytes) -> Headers:
    """As `packaging.metadata.parse_email` has them."""
    part = telling(data)
    if (plain := _plain_headers(part)) is not None:
        return plain
    from packaging.metadata import parse_email

    raw, _ = parse_email(part)
    return Headers(
        name=raw.get("name", ""),
        version=raw.get("version", ""),
        requires_python=raw.get("requires_python", ""),
        requires_dist=raw.get("requires_dist", ()),
        provides_extra=raw.get("provides_extra", ()),
    )


_PLAIN = re.compile(rb"(name|version|requires-dist|provides-extra|requires-python): *((?:[!-~][ -~]*)?)")
_ONCE = ("name", "version", "requires-python")


def _plain_headers(part: bytes) -> Headers | None:
    """Without a parser of mail, where every header is one line of plain characters; None where that is not so."""
    found: dict[str, list[str]] = {}
    for line in part.rstrip(b"\n").split(b"\n") if part.strip() else ():
        match = _PLAIN.fullmatch(line[: line.find(b":")].lower() + line[line.find(b":") :])
        if match is None:
            return None
        found.setdefault(match[1].decode(), []).append(match[2].decode())
    if any(len(found.get(key, ())) > 1 for key in _ONCE):
        return None
    name, version, python = ("".join(found.get(key, ())) for key in _ONCE)
    return Headers(
        name=name,
        version=version,
        requires_python=python,
        requires_dist=found.get("requires-dist", ()),
        provides_extra=found.get("provides-extra", ()),
    )


_TELLING = re.compile(
    rb"(?im)^(?:name|version|requires-dist|provides-extra|requires-python):.*\n(?:[\t ].*\n)*"
)
_NO_HEADER = re.compile(rb"(?m)^(?![!-9;-~]*:|[\t ])")


def telling(data: bytes) -> bytes:
    """The headers that `Metadata` is made of: a parser of mail takes its time over the others. It gets all where a line is
    no header, for there it stops, or ends in an odd way."""
    headers = data.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    if b"\r" in headers or _NO_HEADER.search(headers):
        return headers + b"\n\n"
    return b"".join([*_TELLING.findall(headers + b"\n"), b"\n"])


_ENDLESS = re.compile(r"[0-9]{250}")
"""No version has such a number, and Python does not read longer ones."""


@lru_cache(maxsize=20_000)
def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


_FOLD = re.compile(r"\r?\n[ \t]+")
"""Where a header goes on in the next line (RFC 5322, 2.2.3)."""


def _requirement(text: str) -> Requirement | None:
    text = _FOLD.sub(" ", text) if "\n" in text else text
    return None if _ENDLESS.search(text) else _parsed(text)


def applies(requirement: Requirement, target: Target, extras: frozenset[str]) -> bool:
    """Whether the marker holds on the target, without extras or with one of those asked for. Raises Unusable where it
    compares what cannot be compared."""
    if requirement.marker is None:
        return True
    try:
        return holds(requirement.marker, target, extras)
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise Unusable(f"the marker of {str(requirement)!r} cannot be judged: {error}") from error
