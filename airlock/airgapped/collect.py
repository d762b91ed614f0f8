"""What a generation that is gone leaves behind, removed: its files, its record, and the contents that no other needs.

The line of the journal comes first and decides: the generations that it names are gone from then on. What follows can be
interrupted anywhere; the next command finishes it, for their records are removed last.
"""

from contextlib import suppress

from airlock.airgapped.site import FRAMES, INDEXES, Site, directory_of, index_of, record_of
from airlock.core.digest import Digest
from airlock.errors import IntegrityError, TargetError
from airlock.formats.index import frame_name


def condemned(site: Site) -> tuple[int, ...]:
    """Generations that a line of the journal says are gone, and that are not yet."""
    gone = {number for act in site.journal().acts for number in act.removed}
    return tuple(number for number in site.numbers() if number in gone)


def finish(site: Site) -> bool:
    """Remove what is condemned. Returns whether there was anything. The caller holds the lock."""
    if not (numbers := condemned(site)):
        return False
    clear_contents(site, set(site.numbers()) - set(numbers))
    for number in numbers:
        site.disk.remove(directory_of(number))
    site.disk.sync("generations")
    for number in numbers:
        site.disk.remove(record_of(number))
    site.disk.sync("state/generations")
    return True


def clear_contents(site: Site, kept: set[int]) -> None:
    """Remove what the generations do not need; nothing where a record or index of theirs is damaged, which is told where
    it is used, and keeps nobody from recovering."""
    with suppress(IntegrityError, TargetError):
        remove_contents(site, unneeded(site, kept))


def remove_contents(site: Site, names: list[str]) -> None:
    """For good, before what tells of them goes."""
    for name in names:
        site.disk.remove(name)
    for folder in {name.rpartition("/")[0]: None for name in names}:
        site.disk.sync(folder)


def unneeded(site: Site, kept: set[int]) -> list[str]:
    """Frames and indexes that belong to none of the generations. Raises IntegrityError where a kept one's index is
    damaged, and OSError."""
    indexes: set[Digest] = {site.generation(number).index for number in kept}
    needed = {index_of(digest) for digest in indexes}
    for digest in indexes:
        needed |= {f"store/{frame_name(entry.expanded.digest)}" for entry in site.index(digest).entries}
    return [name for folder in (FRAMES, INDEXES) for name in site.names(folder) if name not in needed]
