"""Advisories in the Open Source Vulnerability format (OSV schema 1.6), as a database of them is carried to where it is needed.

Read leniently, for others write them: what is not understood of a record is passed over, and the record still counts for the
versions that it lists.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airlock.errors import IntegrityError

Order = Callable[[str], Any]
"""Turns a version into what compares as versions do. Raises ValueError for what is none."""
_MOST = 10_000
"""Entries of one list that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `introduced` on, until `fixed` or `last_affected`; versions, empty where there is none."""

    introduced: str
    fixed: str = ""
    last_affected: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    ecosystem: str
    """As `PyPI` or `Debian:12`."""
    name: str
    versions: frozenset[str]
    spans: tuple[Span, ...]

    def covers(self, version: str, order: Order) -> bool:
        """Whether a version is one of those that are listed, or lies in a span."""
        try:
            at = order(version)
        except ValueError:
            return version in self.versions
        return version in self.versions or any(_within(at, span, order) for span in self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    id: str
    aliases: tuple[str, ...]
    summary: str
    modified: str
    """RFC 3339; empty where the record does not tell."""
    withdrawn: str
    """When it was taken back; empty where it was not."""
    severities: tuple[str, ...]
    affected: tuple[Affected, ...]


def parse_advisories(data: bytes, where: str) -> Iterator[Advisory]:
    """One record, a list of them, or the answer of a query (`vulns`). Raises IntegrityError for what is no JSON."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(
            where, f"not an OSV database, {error}", hint="a record, or a zip of records"
        ) from error
    if isinstance(document, Mapping) and "vulns" in document:
        document = document["vulns"]
    for record in document if isinstance(document, list) else [document]:
        if isinstance(record, Mapping) and isinstance(record.get("id"), str):
            yield _advisory(record)


def _advisory(record: Mapping[str, Any]) -> Advisory:
    severities = _tables(record, "severity")
    return Advisory(
        id=record["id"],
        aliases=tuple(_texts(record, "aliases")),
        summary=_text(record, "summary") or _text(record, "details")[:200],
        modified=_text(record, "modified"),
        withdrawn=_text(record, "withdrawn"),
        severities=tuple(f"{_text(row, 'type')} {_text(row, 'score')}".strip() for row in severities),
        affected=tuple(_affected(row) for row in _tables(record, "affected")),
    )


def _affected(row: Mapping[str, Any]) -> Affected:
    package = row.get("package")
    named = package if isinstance(package, Mapping) else {}
    ranges = (one for one in _tables(row, "ranges") if _text(one, "type") in ("ECOSYSTEM", "SEMVER"))
    return Affected(
        ecosystem=_text(named, "ecosystem"),
        name=_text(named, "name"),
        versions=frozenset(_texts(row, "versions")),
        spans=tuple(span for one in ranges for span in _spans(_tables(one, "events"))),
    )


def _spans(events: Sequence[Mapping[str, Any]]) -> Iterator[Span]:
    """Events come in order, each of one key."""
    introduced: str | None = None
    for event in events:
        if text := _text(event, "introduced"):
            if introduced is not None:
                yield Span(introduced=introduced)
            introduced = text
        elif introduced is not None and (text := _text(event, "fixed")):
            yield Span(introduced=introduced, fixed=text)
            introduced = None
        elif introduced is not None and (text := _text(event, "last_affected")):
            yield Span(introduced=introduced, last_affected=text)
            introduced = None
    if introduced is not None:
        yield Span(introduced=introduced)


def _within(at: Any, span: Span, order: Order) -> bool:
    try:
        begun = span.introduced == "0" or at >= order(span.introduced)
        ended = bool(span.fixed) and at >= order(span.fixed)
        passed = bool(span.last_affected) and at > order(span.last_affected)
    except ValueError:
        return False
    return begun and not ended and not passed


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""


def _texts(row: Mapping[str, Any], key: str) -> list[str]:
    value = row.get(key)
    return [one for one in value[:_MOST] if isinstance(one, str)] if isinstance(value, list) else []


def _tables(row: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = row.get(key)
    return [one for one in value[:_MOST] if isinstance(one, Mapping)] if isinstance(value, list) else []
