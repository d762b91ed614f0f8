"""What a suite's signed Release says: what it is, since when, until when, and the digests of its indexes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from airlock.core.digest import Digest, digest_of, parse_digest
from airlock.core.paths import safe_path
from airlock.errors import IntegrityError
from airlock.kinds.deb.control import only_stanza, text_of

_ROW = re.compile(r"([0-9a-f]{64})\s+([0-9]{1,12})\s+(\S{1,500})", re.ASCII)
MAX_ROWS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A file that the Release vouches for."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    digest: Digest
    """Of the InRelease as it was served."""
    date: datetime
    valid_until: datetime | None
    names: frozenset[str]
    """Suite and codename."""
    components: tuple[str, ...]
    """As the Release has them, some with a path in front: `updates/main`. Empty where it does not say."""
    architectures: tuple[str, ...]
    by_hash: bool
    all_apart: bool
    """Whether packages for all architectures are in indexes of their own alone."""
    files: Mapping[str, Listed]
    """By path, relative to the Release."""


def parse_release(text: bytes, signed: bytes, where: str) -> Release:
    """`text` is the verified part of the document `signed`. Raises IntegrityError."""
    fields = only_stanza(text_of(text, where), where)
    architectures = tuple(fields.get("architectures", "").split())
    kept_together = "Packages" in fields.get("no-support-for-architecture-all", "").split()
    return Release(
        digest=digest_of(signed),
        date=_moment(fields, "date", where) or _no_date(where),
        valid_until=_moment(fields, "valid-until", where),
        names=frozenset(filter(None, (fields.get("suite"), fields.get("codename")))),
        components=tuple(fields.get("components", "").split()),
        architectures=architectures,
        by_hash=fields.get("acquire-by-hash", "").lower() == "yes",
        all_apart="all" in architectures and not kept_together,
        files=_files(fields.get("sha256", ""), where),
    )


def _no_date(where: str) -> datetime:
    raise IntegrityError(where, "says no date, so nobody could tell an old one")


def _moment(fields: Mapping[str, str], name: str, where: str) -> datetime | None:
    if (text := fields.get(name)) is None:
        return None
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise IntegrityError(f"{where}: {name}", "not a date", found=repr(text[:60])) from error


def _files(text: str, where: str) -> Mapping[str, Listed]:
    rows = [line for line in text.split("\n") if line.strip()]
    if not rows:
        hint = "only archives with sha256 are taken"
        raise IntegrityError(f"{where}: SHA256", "missing or empty", hint=hint)
    if len(rows) > MAX_ROWS:
        raise IntegrityError(f"{where}: SHA256", "too many files")
    found: dict[str, Listed] = {}
    for row in rows:
        if (match := _ROW.fullmatch(row.strip())) is None:
            raise IntegrityError(f"{where}: SHA256", "not a digest, a size and a path", found=repr(row[:80]))
        path = safe_path(match[3].removeprefix("./"), f"{where}: SHA256")
        listed = Listed(digest=parse_digest(f"sha256:{match[1]}"), size=int(match[2]))
        if found.setdefault(path, listed) != listed:
            raise IntegrityError(f"{where}: SHA256", f"{path!r} stands twice, differently")
    return found
