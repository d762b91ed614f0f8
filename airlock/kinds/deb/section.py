"""`[[deb]]` of the manifest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from airlock.core.digest import digest_of_stream
from airlock.core.fields import Fields
from airlock.core.paths import SafePath, safe_path
from airlock.core.target import Target
from airlock.errors import IntegrityError, UsageError
from airlock.formats.manifest import Manifest
from airlock.kinds.deb.relations import Relation, parse_relation
from airlock.kinds.destination import parse_destination, read_targets
from airlock.kinds.inside import file_inside

SECTION = "deb"
DEFAULT = "default"
MINBASE, EMPTY = "minbase", "empty"
"""Bases that are no files: what debootstrap's variant of that name installs, and nothing."""
PREFIX, SYSTEM = "prefix", "system"
MODES = (PREFIX, SYSTEM)
ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "i686": "i386",
    "armv7l": "armhf",
    "ppc64le": "ppc64el",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
"""What Debian calls the machines of targets."""
_SUITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.~_+-]*(/[A-Za-z0-9.~_+-]+)*/?|\./", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DebSection:
    where: str
    """File and place, as `airlock.toml: deb[0]`."""
    suites: tuple[str, ...]
    components: tuple[str, ...]
    packages: tuple[Relation, ...]
    """Sorted by their text."""
    base: str
    """`minbase`, `empty`, or a path relative to the manifest."""
    mode: str
    destination: SafePath
    targets: tuple[str, ...]
    archive: str = DEFAULT
    archives: Mapping[str, str]
    """Of suites that come from another archive."""
    keyring: str | None
    """Relative to the manifest."""
    architecture: str | None
    recommends: bool
    exclude_newer: datetime | None
    links: Mapping[SafePath, SafePath]
    """In a prefix: links to make, and what they lead to, both below the destination."""
    sign_with: str | None
    """The fingerprint of the OpenPGP key that signs the repository of the mode `system`."""

    def architecture_of(self, target: Target) -> str:
        """Raises UsageError for a machine that Debian has none for."""
        if self.architecture:
            return self.architecture
        if target.on.family != "manylinux" or target.machine not in ARCHITECTURES:
            what = f"Debian has no packages for the platform {target.platform!r} of {target.name!r}"
            raise UsageError(self.where, what, hint="leave the target out with `targets`")
        return ARCHITECTURES[target.machine]

    def archive_of(self, suite: str) -> str:
        return self.archives.get(suite, self.archive)


def read_sections(manifest: Manifest, where: str) -> tuple[DebSection, ...]:
    """Raises UsageError with the place of the fault."""
    fields = Fields({SECTION: manifest.sections.get(SECTION, [])}, where, UsageError)
    sections = tuple(_section(table, manifest) for table in fields.tables(SECTION))
    taken: dict[str, str] = {}
    for section in sections:
        for target in section.targets:
            if (other := taken.setdefault(target, section.where)) != section.where:
                what = f"the target {target!r} has packages of {other.partition(': ')[2]} already"
                raise UsageError(f"{section.where}.targets", what, hint="put them into one [[deb]]")
    return sections


def _section(fields: Fields, manifest: Manifest) -> DebSection:
    mode = _one_of(fields, "mode", MODES)
    section = DebSection(
        where=f"{fields.where}: {fields.path}",
        suites=_suites(fields),
        components=_words(fields, "components", ("main",)),
        packages=_packages(fields),
        base=_base(fields),
        mode=mode,
        destination=_destination(fields),
        targets=read_targets(fields, manifest),
        archive=_archive(fields, "archive", manifest),
        archives=_archives(fields, manifest),
        keyring=fields.safe_path("keyring") if "keyring" in fields else None,
        architecture=_architecture(fields),
        recommends=fields.flag("recommends", False),
        exclude_newer=_instant(fields),
        links=_links(fields.table("links")),
        sign_with=_sign_with(fields, mode),
    )
    _check_mode(fields, section)
    fields.done()
    if section.keyring is None and {section.archive, *section.archives.values()} != {DEFAULT}:
        hint = "a file beside the manifest with the archive's public keys"
        raise fields.fault("keyring", "missing: apt's own keyrings count for apt's own sources alone", hint)
    return section


def _check_mode(fields: Fields, section: DebSection) -> None:
    if section.mode == SYSTEM and section.links:
        raise fields.fault("links", f'belongs to mode = "{PREFIX}": apt makes its own links')
    if section.mode == PREFIX and section.sign_with:
        raise fields.fault("sign-with", f'belongs to mode = "{SYSTEM}": a prefix has no repository to sign')


def _one_of(fields: Fields, key: str, known: tuple[str, ...]) -> str:
    text = fields.text(key)
    if text not in known:
        raise fields.fault(key, f"expected one of {', '.join(known)}, found {text!r}")
    return text


def _suites(fields: Fields) -> tuple[str, ...]:
    suites = fields.texts("suites")
    for number, suite in enumerate(suites):
        if not _SUITE.fullmatch(suite) or ".." in suite:
            raise fields.fault(f"suites[{number}]", f"not a suite: {suite!r}")
    if not suites or len(set(suites)) != len(suites):
        raise fields.fault("suites", "expected suites, each once")
    return suites


def _words(fields: Fields, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    words = fields.texts(key, default)
    for number, word in enumerate(words):
        if not _WORD.fullmatch(word):
            raise fields.fault(f"{key}[{number}]", f"not the name of a component: {word!r}")
    return words


def _packages(fields: Fields) -> tuple[Relation, ...]:
    found = {}
    for number, text in enumerate(fields.texts("packages")):
        try:
            relation = parse_relation(text)
        except ValueError as error:
            hint = 'as "nginx" or "nginx (>= 1.22)"'
            raise fields.fault(f"packages[{number}]", str(error), hint) from error
        if relation.qualifier:
            raise fields.fault(f"packages[{number}]", "the architecture is that of the target")
        found[str(relation)] = relation
    if not found:
        raise fields.fault("packages", "expected the name of a package, found none")
    return tuple(relation for _, relation in sorted(found.items()))


def _base(fields: Fields) -> str:
    if "base" not in fields:
        hint = (
            f'"{MINBASE}", "{EMPTY}", or a file with what dpkg-query says on the far machine (docs/debs.md)'
        )
        raise fields.fault("base", "missing: what does the far machine have already?", hint)
    text = fields.text("base")
    return text if text in (MINBASE, EMPTY) else fields.safe_path("base")


def _destination(fields: Fields) -> SafePath:
    return fields.parsed("destination", parse_destination) if "destination" in fields else SafePath("debs")


def _archive(fields: Fields, key: str, manifest: Manifest) -> str:
    name = fields.text(key, DEFAULT)
    if name == DEFAULT:
        return name
    if name not in manifest.indexes:
        known = ", ".join(manifest.indexes) or "none"
        raise fields.fault(key, f"no such index: {name!r}", hint=f"declared as [[index]]: {known}")
    if name not in manifest.explicit:
        hint = "set explicit = true there"
        raise fields.fault(key, f"the index {name!r} would be asked for Python packages as well", hint)
    return name


def _archives(fields: Fields, manifest: Manifest) -> Mapping[str, str]:
    table = fields.table("archives")
    return {suite: _archive(table, suite, manifest) for suite in sorted(table.items())}


def _architecture(fields: Fields) -> str | None:
    text = fields.optional_text("architecture")
    if text is not None and not re.fullmatch(r"[a-z0-9-]{1,40}", text):
        raise fields.fault("architecture", f"not an architecture of dpkg: {text!r}", hint='as "amd64"')
    return text


def _instant(fields: Fields) -> datetime | None:
    value = fields.raw("exclude-newer")
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        hint = "as 2026-08-01T00:00:00Z, without quotes"
        raise fields.fault("exclude-newer", "expected a date, time and offset", hint)
    return value.astimezone(UTC)


def _links(table: Fields) -> Mapping[SafePath, SafePath]:
    place = f"{table.where}: {table.path}"
    found: dict[SafePath, SafePath] = {}
    for key in sorted(table.items()):
        target = table.safe_path(key)
        try:
            found[safe_path(key, place)] = target
        except IntegrityError as error:
            raise table.fault(key, error.what) from error
    return found


def _sign_with(fields: Fields, mode: str) -> str | None:
    text = fields.optional_text("sign-with")
    if text is None:
        if mode == SYSTEM:
            hint = (
                "the fingerprint of an OpenPGP key; apt takes no repository that nobody signed (docs/debs.md)"
            )
            raise fields.fault("sign-with", "missing", hint)
        return None
    if not _FINGERPRINT.fullmatch(plain := text.replace(" ", "").upper()):
        raise fields.fault(
            "sign-with", f"not the fingerprint of a key: {text!r}", hint="40 hexadecimal digits"
        )
    return plain


def words(section: DebSection, directory: Path) -> dict[str, object]:
    """What of the section decides a lock, in plain words; what says nothing is left out. Raises UsageError."""
    found: dict[str, object] = {
        "suites": list(section.suites),
        "components": list(section.components),
        "packages": [str(one) for one in section.packages],
        "base": _content(section.base, directory, f"{section.where}.base"),
        "mode": section.mode,
        "destination": section.destination,
        "targets": list(section.targets),
    }
    optional: dict[str, object] = {
        "archive": "" if section.archive == DEFAULT else section.archive,
        "archives": dict(section.archives),
        "architecture": section.architecture,
        "recommends": "yes" if section.recommends else "",
        "exclude-newer": section.exclude_newer.isoformat() if section.exclude_newer else "",
        "links": dict(section.links),
        "sign-with": section.sign_with,
    }
    return found | {key: value for key, value in optional.items() if value}


def _content(base: str, directory: Path, where: str) -> str:
    if base in (MINBASE, EMPTY):
        return base
    with file_inside(directory, base, where, UsageError).open("rb") as stream:
        return digest_of_stream(stream)[0]
