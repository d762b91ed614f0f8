"""A disk that remembers what has reached the medium and what has not, as a file system may keep it.

Each change waits until a `sync` covers it: a file's `sync` its bytes, a folder's its entries, that of everything all. When
the power goes, each change that waits may or may not have arrived, whatever became of the others: an entry without the
bytes, the bytes without the entry, a later change without an earlier one; of bytes that wait a part, or zeros where a block
was not written. A rename is one change, as POSIX has it.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

from airlock.core.digest import Digest
from airlock.storage.disk import KeptFile, NewFile, RealDisk, part_of


@dataclass(eq=False, slots=True)
class Node:
    """A file, a link or a folder, whatever its names."""

    mode: int
    data: bytes = b""
    """Of a file as every process sees it, or a link's target."""
    arrived: bytes = b""
    """What of it is on the medium."""
    kept: dict[str, "Node"] = field(default_factory=dict)
    """A folder's entries on the medium."""
    entries: dict[str, "Node"] = field(default_factory=dict)
    """A folder's entries as every process sees them."""
    in_place: bool = False
    """Whether it is appended to."""

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


Entry = tuple[Node, str, Node | None]
"""A folder, a name in it, and what has that name from then on."""
Change = tuple[Entry, ...]
"""What arrives at once or not at all."""


class Choice(Protocol):
    """What has arrived of what waits when the power goes."""

    def arrives(self) -> bool: ...
    def of(self, before: bytes, now: bytes) -> bytes: ...


class Nothing:
    def arrives(self) -> bool:
        return False

    def of(self, before: bytes, now: bytes) -> bytes:
        return before


class Everything:
    def arrives(self) -> bool:
        return True

    def of(self, before: bytes, now: bytes) -> bytes:
        return now


class Names:
    """All entries, none of the bytes: what ext4 did to those who rename without a sync."""

    def arrives(self) -> bool:
        return True

    def of(self, before: bytes, now: bytes) -> bytes:
        return before


class Exactly:
    """The changes whose bits are set, in their order."""

    def __init__(self, bits: int) -> None:
        self._bits = bits

    def arrives(self) -> bool:
        self._bits, arrived = divmod(self._bits, 2)
        return bool(arrived)

    def of(self, before: bytes, now: bytes) -> bytes:
        return now if self.arrives() else before


class Chance:
    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._odds = self._random.choice((0.1, 0.5, 0.5, 0.9))

    def arrives(self) -> bool:
        return self._random.random() < self._odds

    def of(self, before: bytes, now: bytes) -> bytes:
        fresh = now[len(before) :] if now.startswith(before) else now
        kept = before if now.startswith(before) else b""
        cut = self._random.randrange(len(fresh) + 1)
        part = self._random.choice(
            (b"", fresh, fresh[:cut], fresh[:cut] + bytes(len(fresh) - cut), bytes(cut) + fresh[cut:])
        )
        return kept + part


class VolatileDisk:
    """Works on a real folder, and calls `before` ahead of each change."""

    def __init__(self, root: Path, before: Callable[[], None] = lambda: None) -> None:
        self.before = before
        self.steps = 0
        self._disk = RealDisk(root)
        self._root = root
        self._waiting: list[Change] = []
        self._same: dict[int, tuple[Path, Node]] = {}
        self._top = _scan(root, {}) if root.exists() else Node(mode=stat.S_IFDIR)

    def make_directory(self, path: str) -> None:
        self._folder(path)

    def write(self, path: str, chunks: Iterable[bytes], mode: int, like: str = "") -> tuple[Digest, int]:
        folder, name = self._place(path)
        self._step()
        result = self._disk.write(path, chunks, mode, like)
        twin = self._find(like) if like else None
        linked = twin is not None and (self._root / path).samefile(self._root / like)
        node = twin if linked else Node(stat.S_IFREG | mode, (self._root / path).read_bytes())
        self._change((folder, name, node))
        return result

    def write_all(self, files: Sequence[NewFile]) -> list[Digest]:
        return [self.write(file.path, part_of(file), file.mode, file.like)[0] for file in files]

    def link_all(self, files: Sequence[KeptFile]) -> list[bool]:
        return [self._link(file) for file in files]

    def _link(self, file: KeptFile) -> bool:
        folder, name = self._place(file.path)
        self._step()
        (made,) = self._disk.link_all([file])
        if made:
            self._change((folder, name, self._find(file.like)))
        return made

    def append(self, path: str, data: bytes) -> None:
        folder, name = self._place(path)
        self._step()
        self._disk.append(path, data)
        if (node := folder.entries.get(name)) is None:
            node = Node(stat.S_IFREG | 0o644)
            self._change((folder, name, node))
        node.data += data
        node.in_place = True

    def symlink(self, target: str, path: str) -> None:
        folder, name = self._place(path)
        self._step()
        self._disk.symlink(target, path)
        self._change((folder, name, Node(stat.S_IFLNK, target.encode(), target.encode())))

    def rename(self, source: str, path: str) -> None:
        (old, gone), (new, name) = self._place(source), self._place(path)
        self._step()
        self._disk.rename(source, path)
        self._change((new, name, old.entries[gone]), (old, gone, None))

    def remove(self, path: str) -> None:
        folder, name = self._place(path)
        self._step()
        self._disk.remove(path)
        if (node := folder.entries.get(name)) is not None:
            self._forget(node)
            self._change((folder, name, None))

    def _forget(self, node: Node) -> None:
        for name, inner in sorted(node.entries.items()):
            self._forget(inner)
            self._change((node, name, None))

    def sync(self, path: str = "") -> None:
        self._step()
        if not path:
            self._arrive(lambda change: True)
            for each in _all(self._top):
                each.arrived = each.data
            return
        found = self._find("" if path == "." else path)
        assert found is not None, f"synced what is not there: {path}"
        if found.is_folder:
            self._arrive(lambda change: any(folder is found for folder, _, _ in change))
        found.arrived = found.data

    def close(self) -> None:
        self._disk.close()
        shutil.rmtree(self._kept(), ignore_errors=True)

    def waiting(self) -> int:
        """How many changes a power cut may lose."""
        return len(self._waiting) + sum(node.data != node.arrived for node in _all(self._top))

    def after_a_power_cut(self, choice: Choice, copy: Path) -> None:
        """Make, as `copy`, what is found once the power is back. What has arrived is a hard link to one file for all
        copies, but for what is changed in place."""
        entries: dict[int, dict[str, Node]] = {}
        for change in self._waiting:
            if choice.arrives():
                for folder, name, node in change:
                    found = entries.setdefault(id(folder), dict(folder.kept))
                    if node is None:
                        found.pop(name, None)
                    else:
                        found[name] = node
        _make(self._top, copy, entries, _Maker(choice, self._kept(), self._same))

    def _kept(self) -> Path:
        """A folder for files that copies share."""
        folder = self._root.with_name(f"{self._root.name}.same")
        folder.mkdir(exist_ok=True)
        return folder

    def _step(self) -> None:
        self.before()
        self.steps += 1

    def _change(self, *change: Entry) -> None:
        for folder, name, node in change:
            if node is None:
                folder.entries.pop(name, None)
            else:
                folder.entries[name] = node
        self._waiting.append(change)

    def _arrive(self, covered: Callable[[Change], bool]) -> None:
        left = []
        for change in self._waiting:
            if not covered(change):
                left.append(change)
                continue
            for folder, name, node in change:
                if node is None:
                    folder.kept.pop(name, None)
                else:
                    folder.kept[name] = node
        self._waiting = left

    def _place(self, path: str) -> tuple[Node, str]:
        folder, _, name = path.rpartition("/")
        return self._folder(folder), name

    def _folder(self, path: str) -> Node:
        node = self._top
        walked = ""
        for name in filter(None, path.split("/")):
            walked = f"{walked}/{name}".lstrip("/")
            if (inner := node.entries.get(name)) is None:
                self._step()
                self._disk.make_directory(walked)
                inner = Node(mode=stat.S_IFDIR)
                self._change((node, name, inner))
            node = inner
        return node

    def _find(self, path: str) -> Node | None:
        node: Node | None = self._top
        for name in filter(None, path.split("/")):
            node = node.entries.get(name) if node else None
        return node


def _scan(path: Path, known: dict[int, Node]) -> Node:
    """What is there already has arrived."""
    found = path.lstat()
    if node := known.get(found.st_ino):
        return node
    node = known[found.st_ino] = Node(mode=found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        node.data = os.fsencode(path.readlink())
    elif stat.S_ISREG(found.st_mode):
        node.data = path.read_bytes()
    else:
        node.entries = {inner.name: _scan(inner, known) for inner in path.iterdir()}
        node.kept = dict(node.entries)
    node.arrived = node.data
    node.in_place = path.name == "journal.jsonl"
    return node


def _all(node: Node) -> Iterator[Node]:
    yield node
    for inner in node.entries.values():
        yield from _all(inner)


class _Maker:
    """Each node once: its other names are hard links."""

    def __init__(self, choice: Choice, folder: Path, same: dict[int, tuple[Path, Node]]) -> None:
        self._choice, self._folder, self._same = choice, folder, same
        self._made: dict[int, Path] = {}

    def make(self, node: Node, path: Path) -> None:
        if stat.S_ISLNK(node.mode):
            path.symlink_to(os.fsdecode(node.data))
        elif (made := self._made.get(id(node))) is not None:
            path.hardlink_to(made)
        else:
            self._create(node, path)
            self._made[id(node)] = path

    def _create(self, node: Node, path: Path) -> None:
        if node.data != node.arrived:
            whole = self._choice.arrives()
            path.write_bytes(self._choice.of(node.arrived, node.data))
            path.chmod(stat.S_IMODE(node.mode) if whole else 0o600)
            return
        if (same := self._same.get(id(node))) is not None:
            path.hardlink_to(same[0])
            return
        path.write_bytes(node.data)
        path.chmod(stat.S_IMODE(node.mode))
        if node.data and not node.in_place:
            shared = self._folder / str(len(self._same))
            shared.hardlink_to(path)
            self._same[id(node)] = (shared, node)


def _make(folder: Node, path: Path, entries: dict[int, dict[str, Node]], maker: _Maker) -> None:
    path.mkdir()
    for name, node in entries.get(id(folder), folder.kept).items():
        if node.is_folder:
            _make(node, path / name, entries, maker)
        else:
            maker.make(node, path / name)
