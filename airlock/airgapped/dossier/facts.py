"""The value that a dossier tells."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.version import InvalidVersion, Version

from airlock.airgapped.inspect import Changed, Line, differing
from airlock.core.artifact import Activation, Artifact, HealthCheck, Project
from airlock.core.digest import Digest
from airlock.core.target import Target
from airlock.formats.exceptions import Exempted
from airlock.formats.findings import Report
from airlock.formats.index import Document
from airlock.formats.journal import Act
from airlock.kinds.described import NOTHING, Description

_ORDER = ("downgraded", "added", "removed", "changed", "upgraded")
UNKNOWN = "not stated"
"""Of a licence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One artifact that crosses. Sizes are in bytes."""

    artifact: Artifact
    description: Description
    carried: int
    """What it takes in the bundle."""
    unpacked: int
    origin: str = ""
    """Where the near side had it, and who an index says published it; only a lock says that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`what` is `added`, `removed`, `upgraded`, `downgraded` or `changed`."""

    what: str
    kind: str
    name: str
    before: str
    after: str
    """Versions; empty where there is none."""
    grown: int
    """Bytes of the originals, negative where it shrank."""
    license_before: str = ""
    """Where it is another one than now."""
    license_after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBy:
    """The signatures of the release, or under one approval root."""

    title: str
    approver: str
    """Empty for the release."""
    state: str
    """How far they are, by the roots that the bundle carries."""
    keys: tuple[tuple[str, str], ...]
    """Ids, and `good`, `bad` or `unknown`."""
    counter: int
    made: str
    expires: str
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """What is to be printed on a disc."""

    label: str
    size: int
    aloud: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    file: str
    size: int
    digest: Digest
    """Of the file; it changes with every signature."""
    project: Project
    target: Target
    index: Digest
    """What the signatures are over."""
    items: tuple[Item, ...]
    """By kind and name."""
    health: HealthCheck | None
    activation: tuple[Activation, ...]
    exceptions: tuple[Exempted, ...]
    documents: tuple[Document, ...]
    since: str
    """What the changes are against; empty where nothing was given."""
    changes: tuple[Change, ...]
    signed: tuple[SignedBy, ...]
    checked: tuple[str, ...]
    """What `verify` found in order, against a trust root that somebody chose; empty where none was given."""
    warnings: tuple[str, ...]
    media: tuple[Medium, ...]
    audit: Report | None
    acts: tuple[Act, ...]
    """Of the transfer log, as far as they are about this bundle."""
    cutoff: str = ""
    """After which nothing on an index counted; only a lock says that."""

    @property
    def carried(self) -> int:
        return sum(item.carried for item in self.items)

    @property
    def unpacked(self) -> int:
        return sum(item.unpacked for item in self.items)

    def licenses(self) -> tuple[tuple[str, int], ...]:
        """Each with how many artifacts have it, the most frequent first; of artifacts that can state one."""
        found = Counter(
            item.description.license or UNKNOWN for item in self.items if item.description != NOTHING
        )
        return tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))

    def counts(self) -> Mapping[str, int]:
        """Changes by what they are, in the order of telling; those that there are."""
        found = Counter(change.what for change in self.changes)
        return {what: found[what] for what in _ORDER if found[what]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was read besides the bundle itself."""

    descriptions: Mapping[tuple[str, str], Description] = field(default_factory=dict)
    """By kind and name."""
    earlier: Mapping[tuple[str, str], Description] = field(default_factory=dict)
    """The same of what the bundle is compared with."""
    origins: Mapping[Digest, str] = field(default_factory=dict)


def items_of(lines: Sequence[Line], known: Known) -> tuple[Item, ...]:
    return tuple(
        Item(
            artifact=line.artifact,
            description=known.descriptions.get(line.artifact.key, NOTHING),
            carried=line.compressed or 0,
            unpacked=line.expanded or 0,
            origin=known.origins.get(line.artifact.digest, ""),
        )
        for line in lines
    )


def changes_of(before: Sequence[Line], after: Sequence[Line], known: Known) -> tuple[Change, ...]:
    """What to look at first comes first."""
    found = (_change(one, known) for one in differing(before, after))
    return tuple(sorted(found, key=lambda one: (_ORDER.index(one.what), one.kind, one.name)))


def _change(one: Changed, known: Known) -> Change:
    key = (one.kind, one.name)
    old, new = (known.earlier.get(key, NOTHING).license, known.descriptions.get(key, NOTHING).license)
    both = one.before is not None and one.after is not None
    differs = both and bool(old) and _plainly(old) != _plainly(new)
    return Change(
        what=_what(one),
        kind=one.kind,
        name=one.name,
        before=_version(one.before),
        after=_version(one.after),
        grown=_size(one.after) - _size(one.before),
        license_before=(old or UNKNOWN) if differs else "",
        license_after=(new or UNKNOWN) if differs or (new and not one.before) else "",
    )


def _plainly(text: str) -> str:
    """So that a classifier and the expression that takes its place are no change, as `MIT License` and `MIT`."""
    words = re.findall(r"[a-z0-9.+]+", text.casefold())
    return " ".join(word for word in words if word not in ("the", "license", "licence", "software"))


def _what(one: Changed) -> str:
    if one.before is None:
        return "added"
    if one.after is None:
        return "removed"
    try:
        old, new = Version(one.before.artifact.version), Version(one.after.artifact.version)
    except InvalidVersion:
        return "changed"
    return "upgraded" if new > old else "downgraded" if new < old else "changed"


def _version(line: Line | None) -> str:
    return line.artifact.version if line else ""


def _size(line: Line | None) -> int:
    return line.artifact.size if line else 0


def about(acts: Iterable[Act], index: Digest, files: frozenset[str]) -> tuple[Act, ...]:
    """Those that name the bundle's index, or one of these files and no other bundle; the oldest first."""
    return tuple(act for act in acts if act.index == index or (act.index is None and act.file in files))
