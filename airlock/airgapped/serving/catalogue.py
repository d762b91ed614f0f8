"""Everything that a site offers, as one table: a path, and what stands there. Made of its records, and made anew when
another generation is switched to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from airlock.airgapped.site import Site, directory_of
from airlock.airgapped.status import NOTHING_YET
from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, digest_of
from airlock.core.paths import SafePath, safe_path
from airlock.core.tree import FileEntry
from airlock.errors import IntegrityError, TargetError
from airlock.formats.generation import Generation
from airlock.formats.index import IndexEntry, frame_name
from airlock.kinds import Kind
from airlock.kinds.serving import Holding, Offer, Placed, Serves
from airlock.storage.regular import open_below


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    current: int
    """The generation that was in use when it was made."""
    offers: Mapping[str, Offer]
    """By absolute path, percent-decoded."""
    entries: Mapping[Digest, IndexEntry]
    """What originals are restored from, by their own digest."""


def catalogue(site: Site, kinds: Iterable[Kind]) -> Catalogue:
    """Raises TargetError where nothing is installed, IntegrityError where a record is damaged."""
    if (current := site.current_generation()) is None:
        raise TargetError(str(site.root), "nothing is installed here", hint=NOTHING_YET)
    held = list(_held(site, current))
    offers: dict[str, Offer] = {}
    for kind in kinds:
        if isinstance(kind, Serves):
            mine = [holding for holding, _ in held if holding.artifact.kind == kind.name]
            offers |= kind.served(mine)
    entries = {entry.artifact.digest: entry for _, entry in reversed(held)}
    return Catalogue(current=current.number, offers=offers, entries=entries)


def _held(site: Site, current: Generation) -> Iterator[tuple[Holding, IndexEntry]]:
    """Each artifact once, from the generation in use first."""
    known: set[tuple[str, str, str, Digest]] = set()
    for generation in _generations(site, current):
        files = _files_by_label(generation)
        for entry in site.index(generation.index).entries:
            artifact = entry.artifact
            key = (artifact.kind, artifact.name, artifact.version, artifact.digest)
            if key not in known:
                known.add(key)
                yield _holding(site, entry, files.get(artifact.label, {})), entry


def _generations(site: Site, current: Generation) -> Iterator[Generation]:
    """The one in use, then those whose files are others, the newest first."""
    yield current
    seen = {current.content}
    for number in reversed(site.accepted()):
        one = site.generation(number)
        if one.content not in seen:
            seen.add(one.content)
            yield one


def _files_by_label(generation: Generation) -> Mapping[str, dict[SafePath, Placed]]:
    found: dict[str, dict[SafePath, Placed]] = {}
    for path, label in generation.owners.items():
        entry = generation.tree[path]
        if isinstance(entry, FileEntry):
            place = safe_path(f"{directory_of(generation.content)}/{path}")
            found.setdefault(label, {})[path] = Placed(path=place, entry=entry)
    return found


def _holding(site: Site, entry: IndexEntry, files: Mapping[SafePath, Placed]) -> Holding:
    return Holding(
        artifact=entry.artifact,
        files=files,
        read=partial(_read, site),
        restorable=site.path(f"store/{frame_name(entry.expanded.digest)}").is_file(),
    )


def _read(site: Site, placed: Placed) -> bytes:
    with open_below(site.root, placed.path) as stream:
        data = stream.read(MAX_SIZE)
    if digest_of(data) != placed.entry.digest:
        where = str(site.path(placed.path))
        raise IntegrityError(where, "not what was installed", expected=placed.entry.digest)
    return data
