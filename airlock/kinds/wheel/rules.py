"""Rules that name packages by a pattern, as `acme-*`; a name without `*` or `?` means that package alone.

An exact name goes before a pattern, a longer pattern before a shorter one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from packaging.utils import NormalizedName, canonicalize_name

from airlock.core.fields import Fields

T = TypeVar("T")

IF_NECESSARY = "if-necessary"
PRERELEASES = (IF_NECESSARY, "explicit", "allow", "never")
_PATTERN = re.compile(r"[A-Za-z0-9*?]([A-Za-z0-9._*?-]*[A-Za-z0-9*?])?")


@dataclass(frozen=True, slots=True)
class Rules(Generic[T]):
    """Patterns and what each says."""

    table: Mapping[str, T] = field(default_factory=dict)

    def matching(self, name: NormalizedName) -> Iterator[T]:
        """The most particular first."""
        if name in self.table:
            yield self.table[name]
        found = [pattern for pattern in self.table if is_pattern(pattern) and fnmatchcase(name, pattern)]
        for pattern in sorted(found, key=lambda pattern: (-len(pattern), pattern)):
            yield self.table[pattern]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRule:
    """`[python.packages.NAME]`; what is None says nothing."""

    prereleases: str | None = None
    exclude_newer: datetime | None = None
    any_age: bool = False
    """`exclude-newer = false`: no cutoff, and so no need for upload times."""

    def document(self) -> list[str]:
        """What it says, in plain words."""
        age = "any" if self.any_age else self.exclude_newer.isoformat() if self.exclude_newer else ""
        return [self.prereleases or "", age]


def is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


def read_pattern(fields: Fields, text: str) -> str:
    """A name or pattern, normalised. Raises UsageError."""
    if not _PATTERN.fullmatch(text):
        raise fields.fault(
            text, "not the name of a package, nor a pattern", hint='as "acme-core" or "acme-*"'
        )
    return re.sub(r"[-_.]+", "-", text).lower() if is_pattern(text) else canonicalize_name(text)


def read_package_rules(fields: Fields) -> Rules[PackageRule]:
    """`[python.packages]`. Raises UsageError."""
    found: dict[str, PackageRule] = {}
    for key in fields.items():
        pattern, table = read_pattern(fields, key), fields.table(key)
        if pattern in found:
            raise fields.fault(key, "stands twice")
        any_age = table.raw("exclude-newer") is False
        found[pattern] = PackageRule(
            prereleases=read_prereleases(table) if "prereleases" in table else None,
            exclude_newer=None if any_age else read_instant(table, "exclude-newer"),
            any_age=any_age,
        )
        table.raw("prereleases")
        table.done()
    return Rules(found)


def read_prereleases(fields: Fields) -> str:
    policy = fields.text("prereleases", IF_NECESSARY)
    if policy not in PRERELEASES:
        raise fields.fault("prereleases", f"expected one of {', '.join(PRERELEASES)}, found {policy!r}")
    return policy


def read_instant(fields: Fields, key: str) -> datetime | None:
    value = fields.raw(key)
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise fields.fault(
            key, "expected a date, time and offset", hint="as 2026-08-01T00:00:00Z, without quotes"
        )
    return value.astimezone(UTC)
