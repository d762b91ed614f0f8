"""What an update takes over from the generation in use as it is: an artifact's files become other names of those that lie
there, and its content is not read at all.

An artifact is taken over where the signed index says of it the very same as the index of the generation in use, its content
comes from the site's own store, and every file that the generation's record has of it still has its size, mode and digest.
What depends on the generation's own path, scripts above all, lies in `bin`: an artifact with files there is placed anew, and
so is one of whose files a single one is not as recorded.
"""

from collections.abc import Mapping
from contextlib import suppress

from airlock.airgapped.site import Site, directory_of, index_of
from airlock.airgapped.stage import Layout, Predecessor
from airlock.core.digest import Digest, digest_of
from airlock.core.paths import SafePath
from airlock.core.target import Target
from airlock.core.tree import FileEntry, LinkEntry
from airlock.errors import IntegrityError
from airlock.formats.generation import Generation
from airlock.formats.index import BundleIndex, IndexEntry, parse_index
from airlock.storage.disk import KeptFile

_OWN = ("bin/",)
"""Where files may name the generation that they lie in."""
Files = Mapping[SafePath, FileEntry]
Links = Mapping[SafePath, LinkEntry]


def take_over(site: Site, index: BundleIndex, held: frozenset[Digest], folder: str, layout: Layout) -> None:
    """Link into `folder`, and add to the layout, what can be taken over; `held` are contents that would come out of the
    site's store. Raises OSError."""
    if not held or (current := site.current_generation()) is None:
        return
    wanted = _unchanged(site, index, held, current)
    owned = _owned(current, wanted)
    shared = directory_of(current.content)
    linked = iter(
        site.disk.link_all(
            [
                KeptFile(f"{folder}/{path}", f"{shared}/{path}", entry.mode, entry.size, entry.digest)
                for files, _ in owned.values()
                for path, entry in files.items()
            ]
        )
    )
    for label, (files, links) in owned.items():
        made = [path for path, done in zip(files, linked) if done]  # noqa: B905
        if len(made) == len(files):
            layout.keep(label, files)
            for path, link in links.items():
                layout.link(label, path, link.target)
        else:
            _undo(site, folder, made)


def _owned(current: Generation, wanted: frozenset[str]) -> "dict[str, tuple[Files, Links]]":
    """What belongs to each of the wanted artifacts alone, and does not depend on the generation that it lies in."""
    owned: dict[str, tuple[dict[SafePath, FileEntry], dict[SafePath, LinkEntry]]]
    owned = {label: ({}, {}) for label in wanted - current.shared}
    for path, entry in current.tree.items():
        if (found := owned.get(label := current.owners[path])) is None:
            continue
        if path.startswith(_OWN):
            del owned[label]
        elif isinstance(entry, FileEntry):
            found[0][path] = entry
        else:
            found[1][path] = entry
    return {label: (files, links) for label, (files, links) in owned.items()}


def predecessors(site: Site, current: Generation, target: Target) -> Mapping[str, Predecessor]:
    """What the generation in use consists of, by label; nothing where it was made for another target."""
    before = _index_of(site, current)
    if before is None or before.target != target:
        return {}
    return {
        label: Predecessor(entry.artifact.kind, entry.expanded.form, entry.expanded.digest)
        for label, entry in _by_label(before).items()
    }


def _undo(site: Site, folder: str, paths: list[SafePath]) -> None:
    for path in paths:
        site.disk.remove(f"{folder}/{path}")


def _unchanged(
    site: Site, index: BundleIndex, held: frozenset[Digest], current: Generation
) -> frozenset[str]:
    """Labels of artifacts of which both indexes say the same, and whose frames are there."""
    before = _index_of(site, current)
    if before is None or before.target != index.target:
        return frozenset()
    old = _by_label(before)
    return frozenset(
        label
        for label, entry in _by_label(index).items()
        if entry == old.get(label)
        and entry.expanded.digest in held
        and site.path(f"store/{entry.frame}").is_file()
    )


def _index_of(site: Site, current: Generation) -> BundleIndex | None:
    """None where it is not there as it was signed."""
    path = site.path(index_of(current.index))
    with suppress(OSError, IntegrityError):
        data = path.read_bytes()
        if digest_of(data) == current.index:
            return parse_index(data, str(path))
    return None


def _by_label(index: BundleIndex) -> Mapping[str, IndexEntry]:
    """Of labels that one entry has."""
    entries: dict[str, IndexEntry] = {}
    twice: set[str] = set()
    for entry in index.entries:
        if entries.setdefault(entry.artifact.label, entry) is not entry:
            twice.add(entry.artifact.label)
    return {label: entry for label, entry in entries.items() if label not in twice}
