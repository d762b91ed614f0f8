"""Read what is on a disk as a tree, and compare it with what was recorded."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from airlock.core.digest import digest_of_stream
from airlock.core.paths import SafePath, safe_path
from airlock.core.tree import Change, Entry, FileEntry, LinkEntry, Tree
from airlock.errors import IntegrityError

MAX_ADDED = 1 << 28
"""Bytes of a file that was not recorded, from which on it is not hashed."""
_THREADS = 4
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def drift(root: Path, tree: Tree) -> Iterator[Change]:
    """What differs from `tree` below `root`, every file hashed anew; paths that the tree does not have are not looked
    for."""
    for path, expected in sorted(tree.items()):
        found = _entry(root / path)
        if found != expected:
            yield Change(path=path, before=expected, after=found)


def _entry(path: Path) -> Entry | None:
    """None for what is absent, or neither a file nor a link."""
    try:
        if path.is_symlink():
            return LinkEntry(target=str(path.readlink()))
        descriptor = os.open(path, _FILE)
    except OSError:
        return None
    return _file(descriptor)


def _file(descriptor: int) -> FileEntry | None:
    """Hashed; None for what is no regular file. Closes the descriptor."""
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(found):
            return None
        digest, size = digest_of_stream(stream)
    return FileEntry(digest=digest, size=size, mode=stat.S_IMODE(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Everything below a folder."""

    tree: Tree
    odd: tuple[tuple[str, str], ...]
    """The path, spelt out, and what it is: neither a file, a folder nor a link, unreadable, too large to be hashed without
    being known, or of a name that no path can have."""
    writable: tuple[str, ...]
    """Folders into which others than their owner may write."""


@dataclass(slots=True, kw_only=True)
class _Found:
    tree: dict[SafePath, Entry] = field(default_factory=dict)
    odd: list[tuple[str, str]] = field(default_factory=list)
    writable: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


def scan(root: Path, expected: Tree) -> Scan:
    """What lies below `root`, every file that `expected` has hashed anew; no link is followed. Raises OSError where `root`
    cannot be read."""
    total = _Found()
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="scan") as pool:
            waiting = [pool.submit(_folder, top, "", expected)]
            while waiting:
                done = waiting.pop().result()
                total.tree.update(done.tree)
                total.odd += done.odd
                total.writable += done.writable
                waiting += [pool.submit(_folder, top, name, expected) for name in done.folders]
    finally:
        os.close(top)
    return Scan(tree=total.tree, odd=tuple(sorted(total.odd)), writable=tuple(sorted(total.writable)))


def _folder(top: int, name: str, expected: Tree) -> _Found:
    """One folder, without those in it."""
    found = _Found()
    try:
        descriptor = _opened(top, name)
    except OSError as error:
        found.odd.append((ascii(name)[1:-1], f"cannot be read, {error.strerror}"))
        return found
    try:
        if os.fstat(descriptor).st_mode & (stat.S_IWOTH | stat.S_IWGRP):
            found.writable.append(ascii(name)[1:-1] or ".")
        with os.scandir(descriptor) as entries:
            for one in entries:
                _take(descriptor, name, one, expected, found)
    finally:
        os.close(descriptor)
    return found


def _opened(top: int, name: str) -> int:
    """The folder, its path walked part by part. Raises OSError."""
    descriptor = os.dup(top)
    for part in filter(None, name.split("/")):
        try:
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _take(folder: int, name: str, one: "os.DirEntry[str]", expected: Tree, found: _Found) -> None:
    text = f"{name}/{one.name}" if name else one.name
    try:
        path = safe_path(text)
    except IntegrityError as error:
        found.odd.append((ascii(text)[1:-1], error.what))
        return
    try:
        if one.is_symlink():
            found.tree[path] = LinkEntry(target=os.readlink(one.name, dir_fd=folder))
        elif one.is_dir(follow_symlinks=False):
            found.folders.append(text)
        elif what := _unhashable(one, path, expected):
            found.odd.append((text, what))
        elif (entry := _file(os.open(one.name, _FILE, dir_fd=folder))) is not None:
            found.tree[path] = entry
        else:
            found.odd.append((text, "not a file any more"))
    except OSError as error:
        found.odd.append((text, f"cannot be read, {error.strerror}"))


def _unhashable(one: "os.DirEntry[str]", path: SafePath, expected: Tree) -> str:
    status = one.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return _NAMES.get(stat.S_IFMT(status.st_mode), "of an unknown type")
    known = expected.get(path)
    limit = max(MAX_ADDED, known.size if isinstance(known, FileEntry) else 0)
    return f"too large to be looked into, {status.st_size} bytes" if status.st_size > limit else ""


_NAMES = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
