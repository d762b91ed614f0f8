"""`airlock gc`: let go of generations that nothing needs any more.

What stays: the generation in use; the content of the `keep` that `rollback` would go back to, one after the other; the one
that was in use before, so that a rollback can be undone; what a running program was started from; and every content that a
delta to any of these starts from.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airlock.airgapped.collect import finish, remove_contents, unneeded
from airlock.airgapped.install import site_errors
from airlock.airgapped.record import record
from airlock.airgapped.site import ROOM, STATE, Site, directory_of, is_full, locked, record_of
from airlock.airgapped.status import NOTHING_YET
from airlock.airgapped.switch import Surroundings, recover
from airlock.core.paths import MAX_PATH
from airlock.errors import IntegrityError, TargetError
from airlock.formats.generation import Generation

_DEPTH = MAX_PATH // 2
"""Folders inside each other: a path has no more parts."""
InUse = Callable[[Path, Iterable[int]], frozenset[int]]
"""Which of the generations below a root running programs come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    kept: tuple[int, ...]
    removed: tuple[int, ...]
    running: tuple[int, ...]
    """Generations that stay for the sake of running programs alone."""
    contents: int
    """Frames and indexes that go."""
    freed: int
    """Bytes; a file that a kept generation shares frees nothing."""


def collect(site: Site, keep: int, world: Surroundings, in_use: InUse) -> Collection:
    """Remove all but what is needed for `keep` rollbacks. Raises TargetError or IntegrityError; an interruption is
    finished by the next command."""
    _current(site)
    with site_errors(site), locked(site, "gc"):
        recover(site, world)
        collection, names = _decide(site, keep, in_use)
        if collection.removed or names:
            _note(site, world, collection)
            remove_contents(site, names)
            finish(site)
            with suppress(OSError):
                site.keep_room()
        return collection


def plan(site: Site, keep: int, in_use: InUse) -> Collection:
    """What `collect` would do; nothing is written. Raises TargetError or IntegrityError."""
    _current(site)
    with site_errors(site):
        return _decide(site, keep, in_use)[0]


def _decide(site: Site, keep: int, in_use: InUse) -> tuple[Collection, list[str]]:
    current = _current(site)
    numbers = site.numbers()
    needed = _needed(site, current, keep)
    used = in_use(site.root, numbers)
    running = used - needed
    kept = needed | running | {site.generation(number).content for number in running}
    removed = tuple(number for number in numbers if number not in kept)
    names = unneeded(site, kept)
    paths = [*names, *(directory_of(number) for number in removed), *map(record_of, removed)]
    collection = Collection(
        kept=tuple(sorted(kept)),
        removed=removed,
        running=tuple(sorted(running)),
        contents=len(names),
        freed=_freed(site.path(name) for name in paths),
    )
    return collection, names


def _needed(site: Site, current: Generation, keep: int) -> set[int]:
    needed = {current.number, current.content}
    if not keep:
        return needed
    older = [number for number in site.earlier(current) if number not in needed]
    needed.update(older[:keep])
    if (before := site.used_before(current.number)) in site.numbers():
        needed.add(site.generation(before).content)
    return needed


def _current(site: Site) -> Generation:
    if (current := site.current_generation()) is None:
        raise TargetError(str(site.root), "nothing is installed here", hint=NOTHING_YET)
    return current


def _note(site: Site, world: Surroundings, collection: Collection) -> None:
    kept = ", ".join(map(str, collection.kept))
    detail = f"kept {kept}; {collection.contents} contents and {collection.freed} bytes were let go"
    try:
        record(site, world, "gc", removed=collection.removed, detail=detail)
    except OSError as error:
        if not is_full(error) or not site.path(ROOM).exists():
            raise
        site.disk.remove(ROOM)
        site.disk.sync(STATE)
        record(site, world, "gc", removed=collection.removed, detail=detail)


def _freed(paths: Iterable[Path]) -> int:
    """Bytes of the files there that have no other name elsewhere."""
    sizes: dict[tuple[int, int], int] = {}
    names: dict[tuple[int, int], int] = {}
    links: dict[tuple[int, int], int] = {}
    for found in _files(paths):
        key = (found.st_dev, found.st_ino)
        sizes[key], links[key] = found.st_size, found.st_nlink
        names[key] = names.get(key, 0) + 1
    return sum(size for key, size in sizes.items() if names[key] == links[key])


def _files(paths: Iterable[Path]) -> Iterator[os.stat_result]:
    left = [(path, 0) for path in paths]
    while left:
        path, depth = left.pop()
        with suppress(FileNotFoundError):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode):
                yield found
            elif stat.S_ISDIR(found.st_mode):
                if depth > _DEPTH:
                    hint = "somebody changed the site by hand: remove them"
                    raise IntegrityError(f"{str(path)[:200]}…", "folders too deep to be airlock's", hint=hint)
                left += [(inner, depth + 1) for inner in path.iterdir()]
