"""Which files of an index page a target can use, one for each version: the best wheel by the target's tags, or the source
distribution of a package that may be built."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any
from urllib.parse import urljoin, urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
)
from packaging.version import InvalidVersion, Version

from airlock.core.digest import Digest, parse_digest
from airlock.core.target import Target
from airlock.errors import IntegrityError
from airlock.formats.rows import MAX_ARTIFACT
from airlock.kinds.wheel.section import NO_BUILDS, BuildPolicy
from airlock.kinds.wheel.simple import Page

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,245}\.(whl|tar\.gz|zip)")
_LONGEST = 250
"""Characters of a version or of Requires-Python; more is nonsense, and numbers in it could be too long to count with."""
_MOST_TAGS = 256
"""That one file may have, as in the crate: a name of 250 characters could spell 70,000 of them."""
_PLAIN_URL = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9/._+%~-]*")
_PLAIN = re.compile(r"[A-Za-z0-9/._+%~-]+")
"""Addresses, and those relative to one, that `absolute` has nothing against; it takes its time."""
_BUILD = re.compile(r"(\d+)(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """One wheel, or source distribution, as its index describes it. What the index leaves out is None."""

    name: NormalizedName
    version: Version
    file: str
    index: str
    url: str
    digest: Digest | None
    size: int | None
    metadata: str | None
    """The sha256 of the `.metadata` file beside it; empty where that is advertised without one, None where it is not."""
    yanked: str | None
    """The reason, empty where none was given; None where the file is not yanked."""
    provenance: str | None = None
    """Where the index has attestations of the file (PEP 740); None where it has none."""

    @property
    def is_sdist(self) -> bool:
        return not self.file.endswith(".whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What decides which files of a project are usable, versions aside."""

    target: Target
    exclude_newer: datetime | None
    build: BuildPolicy = NO_BUILDS
    cutoff_of: Callable[[NormalizedName, datetime | None], datetime | None] | None = None
    """What `exclude_newer` is for one project."""

    def of(self, name: NormalizedName) -> "Wanted":
        """The same, for one project."""
        if self.cutoff_of is None:
            return self
        return replace(self, exclude_newer=self.cutoff_of(name, self.exclude_newer), cutoff_of=None)


Row = Mapping[str, Any]
"""As PEP 691 has it in `files`, and as hostile as its page."""
_Choice = tuple[tuple[object, ...], Row]


class Found(Mapping[Version, "WheelFile"]):
    """The usable files of one page. A file is made of its row when it is asked for: of ten thousand few are."""

    def __init__(self, rows: Mapping[Version, Row], name: NormalizedName, page: Page) -> None:
        """Every row is `_sound`."""
        self._rows, self._name, self._page = rows, name, page
        self._files: dict[Version, WheelFile] = {}

    def __getitem__(self, version: Version) -> "WheelFile":
        if version not in self._files:
            self._files[version] = _wheel_file(self._rows[version], self._name, version, self._page)
        return self._files[version]

    def __iter__(self) -> Iterator[Version]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, version: object) -> bool:
        return version in self._rows

    def rows(self) -> Iterable[Row]:
        return self._rows.values()

    def standing(self) -> list[Version]:
        """Those that were not yanked, in order."""
        return [version for version, row in self._rows.items() if not row.get("yanked")]


Releases = Mapping[Version, WheelFile]
"""Newest first."""


def standing(files: Releases) -> list[Version]:
    """Those that were not yanked, in order."""
    if isinstance(files, Found):
        return files.standing()
    return [version for version, file in files.items() if file.yanked is None]


def releases(page: Page, name: NormalizedName, wanted: Wanted) -> Found:
    if page.status.refused:
        return Found({}, name, page)
    best: dict[Version, _Choice] = {}
    for row, version, rank, build in () if name in wanted.build.always else _fitting(page, name, wanted):
        order = (bool(row.get("yanked")), rank, _build_order(build), str(row["filename"]))
        if version not in best or order < best[version][0]:
            best[version] = (order, row)
    if wanted.build.allows(name):
        best = {**_buildable(page, name, wanted), **best}
    rows = {version: best[version][1] for version in sorted(best, reverse=True)}
    return Found({version: row for version, row in rows.items() if _sound(row, page)}, name, page)


def _fitting(page: Page, name: NormalizedName, wanted: Wanted) -> Iterator[tuple[Row, Version, int, str]]:
    """The wheels that the target can use, as `wheels`, with the rank of the best tag. Most rows of most pages are for other
    targets, so the tags are looked at first."""
    ranks = _Ranks(wanted.target)
    same = lru_cache(maxsize=64)(lambda part: canonicalize_name(part) == name)
    for row in page.rows:
        file = row.get("filename")
        if not isinstance(file, str) or not file.endswith(".whl"):
            continue
        head, *tags = file[:-4].rsplit("-", 3)
        if len(tags) != 3 or (rank := ranks[tuple(tags)]) is None:
            continue
        project, *rest = head.split("-")
        if len(rest) not in (1, 2) or not same(project) or not (version := parsed_version(rest[0])):
            continue
        if not obstacle(row, wanted):
            yield row, version, rank, rest[1] if len(rest) == 2 else ""


class _Ranks(dict[tuple[str, ...], int | None]):
    """The best rank among the tags of a file, by its compressed tag sets; None where the target takes none of them."""

    def __init__(self, target: Target) -> None:
        self._known = tag_ranks(target)

    def __missing__(self, sets: tuple[str, ...]) -> int | None:
        ranks = (self._known.get(tag) for tag in expanded_tags(*sets))
        found = self[sets] = min((rank for rank in ranks if rank is not None), default=None)
        return found


def cut(row: Row) -> Row:
    """What `_wheel_file` reads of a row, and no more."""
    metadata, yanked, hashes = _metadata(row), row.get("yanked"), row.get("hashes")
    sha256 = hashes.get("sha256") if isinstance(hashes, Mapping) else None
    found = {
        "filename": row["filename"],
        "url": row["url"],
        "hashes": {"sha256": sha256} if isinstance(sha256, str) else None,
        "size": _size(row.get("size")),
        "core-metadata": {"sha256": metadata} if metadata else metadata is not None,
        "yanked": yanked if isinstance(yanked, str) else bool(yanked),
        "provenance": row["provenance"] if isinstance(row.get("provenance"), str) else None,
    }
    return {key: value for key, value in found.items() if value is not None and value is not False}


def selected(rows: Iterable[object], page: Page, name: NormalizedName) -> Found:
    """What `Found.rows` gave, cut. The checks of a row are made again."""
    found: dict[Version, Row] = {}
    for row in rows:
        if isinstance(row, Mapping) and (version := _version_of(row, name)) and _sound(row, page):
            found[version] = row
    return Found(found, name, page)


def _version_of(row: Row, name: NormalizedName) -> Version | None:
    file = row.get("filename")
    if not isinstance(file, str) or len(file) > _LONGEST:
        return None
    if file.endswith(".whl"):
        parts = file.split("-")
        return parsed_version(parts[1]) if len(parts) in (5, 6) else None
    try:
        return parse_sdist_filename(file)[1]
    except InvalidSdistFilename:
        return None


def _buildable(page: Page, name: NormalizedName, wanted: Wanted) -> dict[Version, _Choice]:
    """The best source distribution of each version."""
    best: dict[Version, _Choice] = {}
    for row, version in sdists(page, name):
        file = str(row["filename"])
        order = (bool(row.get("yanked")), not file.endswith(".tar.gz"), file)
        if not obstacle(row, wanted) and (version not in best or order < best[version][0]):
            best[version] = (order, row)
    return best


def wheels(
    page: Page, name: NormalizedName
) -> Iterator[tuple[Mapping[str, Any], Version, tuple[str, ...], str]]:
    """Every wheel of the page: its row, version, tags and build number. Written for pages of ten thousand rows."""
    same = lru_cache(maxsize=64)(lambda part: canonicalize_name(part) == name)
    for row in page.rows:
        file = row.get("filename")
        if not isinstance(file, str) or not file.endswith(".whl"):
            continue
        parts = file[:-4].split("-")
        if len(parts) not in (5, 6) or not same(parts[0]):
            continue
        if version := parsed_version(parts[1]):
            yield row, version, expanded_tags(*parts[-3:]), parts[2] if len(parts) == 6 else ""


def sdists(page: Page, name: NormalizedName) -> Iterator[tuple[Mapping[str, Any], Version]]:
    for row in page.rows:
        file = row.get("filename")
        if isinstance(file, str) and file.endswith((".tar.gz", ".zip")) and len(file) <= _LONGEST:
            try:
                found, version = parse_sdist_filename(file)
            except InvalidSdistFilename:
                continue
            if found == name:
                yield row, version


def obstacle(row: Mapping[str, Any], wanted: Wanted) -> str | None:
    """Why a file is out of the question for the target, its tags aside."""
    requires = row.get("requires-python")
    if isinstance(requires, str) and not takes_python(requires, wanted.target.python_full):
        return f"needs Python {requires}"
    if wanted.exclude_newer is not None:
        uploaded = _instant(row.get("upload-time"))
        if uploaded is None:
            return "has no upload time, which exclude-newer needs"
        if uploaded > wanted.exclude_newer:
            return "was uploaded later than exclude-newer allows"
    return None


@lru_cache(maxsize=64)
def tag_ranks(target: Target) -> Mapping[str, int]:
    return {str(tag): rank for rank, tag in enumerate(target.tags)}


@lru_cache(maxsize=20_000)
def expanded_tags(interpreters: str, abis: str, platforms: str) -> tuple[str, ...]:
    """Compressed tag sets (PEP 425) one by one; none of a file that has too many."""
    sets = [part.lower().split(".") for part in (interpreters, abis, platforms)]
    return tuple(map("-".join, product(*sets))) if prod(map(len, sets)) <= _MOST_TAGS else ()


@lru_cache(maxsize=50_000)
def parsed_version(text: str) -> Version | None:
    if len(text) > _LONGEST:
        return None
    try:
        return Version(text)
    except InvalidVersion:
        return None


@lru_cache(maxsize=4_000)
def takes_python(requires: str, python: Version) -> bool:
    """An invalid `Requires-Python` excludes nothing, as in pip: such files are old, and their authors meant no limit."""
    try:
        return len(requires) > _LONGEST or SpecifierSet(requires).contains(python, prereleases=True)
    except InvalidSpecifier:
        return True


def _instant(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def _build_order(build: str) -> tuple[int, str]:
    """Higher build numbers first (the specification compares the number, then the rest); none comes last."""
    match = _BUILD.fullmatch(build)
    return (-int(match[1][:18]), match[2]) if match else (1, "")


def _sound(row: Row, page: Page) -> bool:
    """Whether a file can be made of the row."""
    if not _SAFE_NAME.fullmatch(row["filename"]):
        return False
    url = row.get("url")
    if isinstance(url, str) and (_PLAIN_URL.fullmatch(url) or (page.on_the_web and _PLAIN.fullmatch(url))):
        return True
    return absolute(url, page) is not None


def _wheel_file(row: Row, name: NormalizedName, version: Version, page: Page) -> WheelFile:
    address = absolute(row.get("url"), page)
    assert address is not None, "only sound rows get here"
    return WheelFile(
        name=name,
        version=version,
        file=row["filename"],
        index=page.index,
        url=address,
        digest=_digest(row.get("hashes")),
        size=_size(row.get("size")),
        metadata=_metadata(row),
        yanked=_reason(row.get("yanked")),
        provenance=absolute(row.get("provenance"), page),
    )


def _size(size: object) -> int | None:
    return size if type(size) is int and 0 <= size <= MAX_ARTIFACT else None


def absolute(url: object, page: Page) -> str | None:
    """Where a row's file is; None where the row does not say it, or says what no file comes from."""
    try:
        address = urljoin(page.url, url) if isinstance(url, str) else ""
        return address if urlsplit(address).scheme in ("http", "https") else None
    except ValueError:
        return None


def _digest(hashes: object) -> Digest | None:
    found = hashes.get("sha256") if isinstance(hashes, Mapping) else None
    try:
        return parse_digest(f"sha256:{found}") if isinstance(found, str) else None
    except IntegrityError:
        return None


def _metadata(row: Mapping[str, Any]) -> str | None:
    """PEP 714: the new key wins over the old one."""
    value = row.get("core-metadata") or row.get("dist-info-metadata")
    if not value:
        return None
    digest = _digest(value)
    return digest.removeprefix("sha256:") if digest else ""


def _reason(yanked: object) -> str | None:
    if not yanked:
        return None
    return yanked if isinstance(yanked, str) else ""


def learned(file: WheelFile, digest: Digest, size: int) -> WheelFile:
    """The file, with what its own bytes say."""
    return replace(file, digest=digest, size=size)
