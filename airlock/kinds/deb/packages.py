"""What an archive offers, package by package, read out of its indexes when it is asked for."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from airlock.core.digest import Digest, parse_digest
from airlock.errors import IntegrityError
from airlock.formats.rows import MAX_ARTIFACT
from airlock.kinds.deb.archive import pool_path
from airlock.kinds.deb.control import blocks, stanza
from airlock.kinds.deb.relations import (
    NAME,
    Group,
    Relation,
    parse_groups,
    parse_relations,
)
from airlock.kinds.deb.versions import is_version, version_key

PRIORITIES = ("required", "important", "standard", "optional", "extra")
_NAME = re.compile(NAME, re.ASCII)
_NAMING = (
    "Package",
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Recommends",
    "Suggests",
    "Replaces",
    "Enhances",
    "Provides",
)
"""Fields that hold names of packages, in the order in which apt reads those of a stanza."""
_FIELDS = re.compile(rf"^({'|'.join(_NAMING)}):(.*(?:\n[ \t].*)*)", re.MULTILINE)
_MENTION = re.compile(rf"(?:^|[,|])\s*({NAME})(?![a-z0-9+.-]*:any)", re.ASCII)
"""A name in such a field; `python3:any` is another package to apt than `python3`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which index vouches for a package."""

    archive: str
    suite: str
    index: Digest
    release: Digest
    date: str
    """Of the Release, RFC 3339."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Package:
    """One version of a package for one architecture."""

    name: str
    version: str
    architecture: str
    depends: tuple[Group, ...] = ()
    """Pre-Depends first."""
    recommends: tuple[Group, ...] = ()
    conflicts: tuple[Relation, ...] = ()
    """With Breaks."""
    provides: tuple[Relation, ...] = ()
    priority: str = "optional"
    path: str = ""
    """In the archive; empty for what the far machine has already."""
    size: int = 0
    digest: Digest | None = None
    origin: Origin | None = None
    control: str = ""
    """The stanza, as it was read."""

    @property
    def key(self) -> str:
        """What the resolver decides once."""
        return self.name

    @property
    def installed(self) -> bool:
        """Whether the far machine has it."""
        return self.digest is None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def provided(self, name: str) -> Iterator[str]:
        """The versions that it has under a name, empty for one that it provides without a version."""
        if name == self.name:
            yield self.version
        yield from (one.version for one in self.provides if one.name == name)

    def satisfies(self, relation: Relation) -> bool:
        """A provided name without a version satisfies no relation that has one (Policy 7.5)."""
        versions = self.provided(relation.name)
        return any(not relation.operator or (found and relation.takes(found)) for found in versions)


def parse_package(block: str, where: str, origin: Origin | None) -> Package:
    """One stanza, of an index where `origin` is given, else of a dpkg status file. Raises IntegrityError."""
    fields = stanza(block, where)
    name, version = fields.get("package", ""), fields.get("version", "")
    if not _NAME.fullmatch(name) or not is_version(version):
        raise IntegrityError(where, "not a package and its version", found=repr(f"{name} {version}"[:120]))
    where = f"{where}: {name} {version}"
    try:
        return Package(
            name=name,
            version=version,
            architecture=fields.get("architecture", ""),
            depends=_groups(fields, "pre-depends") + _groups(fields, "depends"),
            recommends=_groups(fields, "recommends"),
            conflicts=_relations(fields, "conflicts") + _relations(fields, "breaks"),
            provides=_relations(fields, "provides"),
            priority=fields.get("priority", "optional"),
            control=block,
            path=pool_path(fields.get("filename", ""), f"{where}: Filename") if origin else "",
            size=_size(fields, where) if origin else 0,
            digest=parse_digest(f"sha256:{fields.get('sha256', '')}", f"{where}: SHA256") if origin else None,
            origin=origin,
        )
    except ValueError as error:
        raise IntegrityError(where, str(error)) from error


def _groups(fields: Mapping[str, str], name: str) -> tuple[Group, ...]:
    return parse_groups(fields[name]) if name in fields else ()


def _relations(fields: Mapping[str, str], name: str) -> tuple[Relation, ...]:
    return parse_relations(fields[name]) if name in fields else ()


def _size(fields: Mapping[str, str], where: str) -> int:
    size = fields.get("size", "")
    if not (size.isascii() and size.isdigit()) or len(size) > 15 or int(size) > MAX_ARTIFACT:
        raise IntegrityError(f"{where}: Size", "not a size", found=repr(size[:40]))
    return int(size)


@dataclass(slots=True, kw_only=True)
class Universe:
    """All packages of some indexes for one architecture. Parses what is asked for, once."""

    architecture: str
    _blocks: dict[str, list[tuple[str, str, Origin]]] = field(default_factory=dict)
    """By name: stanza, place for messages, and origin."""
    _providers: dict[str, dict[str, None]] = field(default_factory=dict)
    """By provided name: names of packages."""
    _parsed: dict[str, tuple[Package, ...]] = field(default_factory=dict)
    _in_order: list[str] = field(default_factory=list)
    """Every stanza."""
    _mentioned: dict[str, int] = field(default_factory=dict)

    def add(self, text: str, where: str, origin: Origin) -> None:
        """Raises IntegrityError."""
        for block in blocks(text):
            if block.startswith("Package: "):
                name = block[9 : block.find("\n")]
            else:
                name = stanza(block, where).get("package", "")
            self._blocks.setdefault(name, []).append((block, where, origin))
            self._in_order.append(block)
            if "\nProvides:" in block:
                for relation in _provides(block, where):
                    self._providers.setdefault(relation.name, {})[name] = None

    def versions(self, name: str) -> tuple[Package, ...]:
        """The newest first; of one version, that of the index that was added first. Raises IntegrityError."""
        if (known := self._parsed.get(name)) is None:
            known = self._parsed[name] = tuple(self._parse(name))
        return known

    def _parse(self, name: str) -> Iterable[Package]:
        found: dict[str, Package] = {}
        for block, where, origin in self._blocks.get(name, ()):
            package = parse_package(block, where, origin)
            if package.architecture in (self.architecture, "all"):
                found.setdefault(package.version, package)
        return sorted(found.values(), key=lambda one: version_key(one.version), reverse=True)

    def providers(self, name: str) -> tuple[str, ...]:
        """Names of packages of which a version provides it, the package of that name itself aside."""
        return tuple(one for one in self._providers.get(name, ()) if one != name)

    def mentioned(self, name: str) -> int:
        """How many names the indexes mention before this one, in whatever field. By that order apt decides where nothing else
        tells two packages apart. All of them are looked for at the first call."""
        if not self._mentioned:
            names = dict.fromkeys(one for block in self._in_order for one in _mentions(block))
            self._mentioned = {one: number for number, one in enumerate(names)}
        return self._mentioned.get(name, 0)

    def names(self) -> Iterator[str]:
        yield from self._blocks

    def has_field(self, name: str, text: str) -> bool:
        """Whether a stanza of that package has the line, for searches that need no parsing of everything."""
        return any(f"\n{text}\n" in f"{block}\n" for block, _, _ in self._blocks.get(name, ()))


def _mentions(block: str) -> Iterator[str]:
    found = sorted(_FIELDS.findall(block), key=lambda one: _NAMING.index(one[0]))
    for _, text in found:
        yield from _MENTION.findall(text)


def _provides(block: str, where: str) -> tuple[Relation, ...]:
    start = block.index("\nProvides:") + 10
    lines = block[start:].split("\n")
    text = [lines[0]]
    for line in lines[1:]:
        if not line.startswith((" ", "\t")):
            break
        text.append(line)
    try:
        return parse_relations("\n".join(text))
    except ValueError as error:
        raise IntegrityError(where, f"Provides: {error}") from error
