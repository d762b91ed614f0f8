"""Lay out a generation: a virtual environment (PEP 405) made without pip, and every artifact's files in it."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, Protocol

from airlock.airgapped.host import Interpreter
from airlock.core.digest import Digest, Hasher
from airlock.core.paths import SafePath, safe_path
from airlock.core.reporter import Reporter
from airlock.core.target import Target
from airlock.core.tree import Entry, FileEntry, LinkEntry
from airlock.errors import IntegrityError
from airlock.formats.index import BundleIndex, IndexEntry
from airlock.kinds import Earlier, Kind, Placing, Room
from airlock.storage.content import Content
from airlock.storage.disk import NewFile, Source, part_of

ENVIRONMENT = "the virtual environment"
"""The owner of what belongs to no artifact."""

KindNamed = Callable[[str, str], Kind]
"""`kind_named(name, where)` of the registry, or a test's own."""


class Predecessor(NamedTuple):
    """An artifact of the generation in use, as the files that it put there depend on it."""

    kind: str
    form: str
    expanded: Digest


class Writer(Protocol):
    """Where the files of a generation go; paths are relative to it."""

    def file(self, path: SafePath, chunks: Iterable[bytes], mode: int) -> tuple[Digest, int]: ...
    def files(self, source: Source, files: Sequence[Placing]) -> list[Digest]: ...
    def link(self, path: SafePath, target: str) -> None: ...
    def take_over(self, source: Predecessor, files: Sequence[Earlier]) -> list[FileEntry | None]:
        """Make of each path what follows from the one in use, where that was made of `source` and still has its digest. None
        for the others."""


class OnlyCounting:
    """A writer for `--dry-run`."""

    def file(self, path: SafePath, chunks: Iterable[bytes], mode: int) -> tuple[Digest, int]:
        hasher = Hasher()
        for chunk in chunks:
            hasher.update(chunk)
        return hasher.digest, hasher.size

    def files(self, source: Source, files: Sequence[Placing]) -> list[Digest]:
        return [self.file(file.path, part_of(new_file(source, file)), file.mode)[0] for file in files]

    def link(self, path: SafePath, target: str) -> None: ...

    def take_over(self, source: Predecessor, files: Sequence[Earlier]) -> list[FileEntry | None]:
        return [None] * len(files)


@dataclass(slots=True, kw_only=True)
class Layout:
    """Grows into the tree of a generation. No two artifacts may claim one path, nor paths that a file system which folds
    case or normalises Unicode would take for one; the very same file twice, as namespace packages have it, is no conflict.
    """

    writer: Writer
    tree: dict[SafePath, Entry] = field(default_factory=dict)
    owners: dict[SafePath, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    """As in a generation's record."""
    _names: dict[str, SafePath] = field(default_factory=dict)
    _folders: dict[str, SafePath] = field(default_factory=dict)

    @property
    def labels(self) -> frozenset[str]:
        """Of what has a place already."""
        return frozenset(self.owners.values())

    def file(self, owner: str, path: SafePath, chunks: Iterable[bytes], mode: int) -> tuple[Digest, int]:
        if path in self.tree:
            return self._again(owner, path, chunks, mode)
        self._claim(owner, path)
        digest, size = self.writer.file(path, chunks, mode)
        self.tree[path] = FileEntry(digest=digest, size=size, mode=mode)
        return digest, size

    def files(self, owner: str, source: Source, files: Sequence[Placing]) -> list[Digest]:
        """As `file` for each; `source` is the expanded form that they are parts of."""
        fresh: list[Placing] = []
        for file in files:
            if file.path not in self.owners:
                self._claim(owner, file.path)
                fresh.append(file)
            elif owner == self.owners[file.path]:
                raise self._conflict(owner, file.path, file.path)
        for file, digest in zip(fresh, self.writer.files(source, fresh), strict=True):
            self.tree[file.path] = FileEntry(digest=digest, size=file.size, mode=file.mode)
        if len(fresh) < len(files):
            known = {file.path for file in fresh}
            for file in files:
                if file.path not in known:
                    self._again(owner, file.path, part_of(new_file(source, file)), file.mode)
        return [entry.digest for file in files if isinstance(entry := self.tree[file.path], FileEntry)]

    def take_over(self, owner: str, source: Predecessor, files: Sequence[Earlier]) -> list[FileEntry | None]:
        """As the writer's, for paths that nothing claims."""
        fresh = [file for file in files if file.path not in self.owners]
        found = dict(zip(fresh, self.writer.take_over(source, fresh), strict=True))
        for file, entry in found.items():
            if entry is not None:
                self.keep(owner, {file.path: entry})
        return [found.get(file) for file in files]

    def keep(self, owner: str, entries: Mapping[SafePath, Entry]) -> None:
        """Take over what is in place already."""
        for path in entries:
            self._claim(owner, path)
        self.tree.update(entries)

    def link(self, owner: str, path: SafePath, target: str) -> None:
        self._claim(owner, path)
        self.writer.link(path, target)
        self.tree[path] = LinkEntry(target=target)

    def _again(self, owner: str, path: SafePath, chunks: Iterable[bytes], mode: int) -> tuple[Digest, int]:
        digest, size = OnlyCounting().file(path, chunks, mode)
        if owner == self.owners[path] or self.tree[path] != FileEntry(digest=digest, size=size, mode=mode):
            raise self._conflict(owner, path, path)
        self.owners[path], other = sorted((owner, self.owners[path]))
        self.shared.add(other)
        return digest, size

    def _claim(self, owner: str, path: SafePath) -> None:
        name = _folded(path)
        fresh = self._fresh_folders(name)
        for key, claimed in ((name, self._names), (name, self._folders), *((p, self._names) for p in fresh)):
            if (other := claimed.get(key)) is not None:
                raise self._conflict(owner, path, other)
        self._names[name] = path
        self._folders.update(dict.fromkeys(fresh, path))
        self.owners[path] = owner

    def _fresh_folders(self, name: str) -> list[str]:
        """The folders above that nothing was put into yet. What is a folder is never claimed as a file later, so the
        others, and what is above them, need no second look."""
        fresh = []
        folder = name.rpartition("/")[0]
        while folder and folder not in self._folders:
            fresh.append(folder)
            folder = folder.rpartition("/")[0]
        return fresh

    def _conflict(self, owner: str, path: SafePath, other: SafePath) -> IntegrityError:
        same = "" if path == other else f", as {other!r}"
        return IntegrityError(path, f"claimed by {owner}, but {self.owners[other]} has it already{same}")


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", path.casefold())


def new_file(source: Source, file: Placing, folder: str = "", like: str = "") -> NewFile:
    """Where the bytes of a placing are, for a disk."""
    if isinstance(file.content, int):
        return NewFile(folder + file.path, file.mode, source, file.content, file.size, like)
    return NewFile(folder + file.path, file.mode, file.content, 0, file.size, like)


def lay_out(
    contents: Iterable[Content],
    index: BundleIndex,
    place: "Place",
    layout: Layout,
    kinds: KindNamed,
    reporter: Reporter,
) -> None:
    """Put everything that the index names into the layout, but for what that has. `contents` has every expanded form of
    the index that it lacks once, in an order that is always the same. Raises IntegrityError."""
    kept = layout.labels
    _environment(layout, index.target, place.interpreter)
    task = "placing"
    missing = [entry for entry in index.entries if entry.artifact.label not in kept]
    reporter.start(task, sum(entry.expanded.size for entry in missing))
    entries: dict[Digest, list[IndexEntry]] = {}
    for entry in missing:
        entries.setdefault(entry.expanded.digest, []).append(entry)
    for content in contents:
        for entry in entries.pop(content.expanded.digest):
            _place(entry, content, Placement(index.target, place, layout, kinds))
            reporter.advance(task, entry.expanded.size)
    assert not entries, "a content is missing"
    reporter.finish(task)


class Placement(NamedTuple):
    target: Target
    place: "Place"
    layout: Layout
    kinds: KindNamed


def _place(entry: IndexEntry, content: Content, to: Placement) -> None:
    artifact = entry.artifact
    kind = to.kinds(artifact.kind, f"{content.where}: {artifact.label}")
    room = Room(
        target=to.target,
        interpreter=to.place.python,
        write=partial(to.layout.file, artifact.label),
        write_all=partial(to.layout.files, artifact.label, content.source),
        link=partial(to.layout.link, artifact.label),
    )
    if content.origin is not None:
        source = Predecessor(artifact.kind, entry.expanded.form, content.origin)
        room = replace(room, take_over=partial(to.layout.take_over, artifact.label, source))
    opens = kind.opens(artifact)
    kind.place(artifact, content.members if opens else partial(content.original, entry), room)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the generation will be once it is whole."""

    python: str
    """The absolute path of its own Python, for the first line of scripts."""
    interpreter: Interpreter
    """Its base."""


def _environment(layout: Layout, target: Target, base: Interpreter) -> None:
    major, minor = target.python_minor
    links = {
        "bin/python": base.path,
        "bin/python3": "python",
        f"bin/python{major}.{minor}": "python",
        "lib64": "lib",
    }
    for path, link in links.items():
        layout.link(ENVIRONMENT, safe_path(path), link)
    home = base.path.rpartition("/")[0]
    text = (
        f"home = {home}\ninclude-system-site-packages = false\nversion = {base.version}\n"
        f"executable = {base.path}\n"
    )
    layout.file(ENVIRONMENT, safe_path("pyvenv.cfg"), [text.encode()], 0o644)
