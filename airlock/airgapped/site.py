"""A site: the root that generations are installed below, and what it remembers of itself."""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from airlock.core.canonical_json import check_limits
from airlock.core.digest import Digest, digest_of, hex_of
from airlock.errors import AirlockError, IntegrityError, TargetError
from airlock.formats.course import course_of
from airlock.formats.generation import Generation, parse_generation, write_generation
from airlock.formats.index import BundleIndex, frame_name, parse_index
from airlock.formats.journal import (
    MAX_JOURNAL,
    Act,
    Journal,
    Line,
    next_line,
    parse_act,
    parse_line,
    sound_part,
    write_act,
)
from airlock.storage.disk import Disk
from airlock.storage.exclusive import exclusive
from airlock.storage.regular import open_regular, read_regular

CURRENT = "current"
STATE = "state"
LOCK = "state/lock"
JOURNAL = "state/journal.jsonl"
INTENT = "state/switch.json"
"""The act that is under way between the switch and the verdict on it."""
ROOM = "state/room"
"""A file to remove where the disk is so full that not even a line fits that says what will be removed."""
_ROOM = 16 << 10
"""Bytes."""
ROOT_OF_TRUST = "state/trust/root.json"
_APPROVAL_ROOT = ".approval-root.json"
FRAMES = "store/frames"
INDEXES = "store/indexes"
FOLDERS = ("generations", STATE, "state/generations", "state/trust", FRAMES, INDEXES)
"""What a site consists of."""
_NO_MATTER = frozenset({CURRENT, "generations", STATE, "store", "lost+found"})
"""What may lie in a root that is no site yet."""
TEMPORARY = ".airlock-tmp"
"""How every name ends that the next command may remove."""


def directory_of(number: int) -> str:
    return f"generations/{number}"


def staging_of(number: int) -> str:
    return f"generations/{number}{TEMPORARY}"


def record_of(number: int) -> str:
    return f"state/generations/{number}.json"


def index_of(digest: Digest) -> str:
    return f"{INDEXES}/{hex_of(digest)}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    root: Path
    """Absolute, links resolved."""
    disk: Disk

    def next_number(self) -> int:
        """One that was never used here."""
        used = [*self.numbers(), *(act.after for act in self.journal().acts), self.current()]
        return max(used) + 1

    def check_place(self) -> None:
        """A site, or a place where one may begin. Raises TargetError for a folder with other things in it, and OSError."""
        if self.path(LOCK).exists() or self.path(JOURNAL).exists() or not self.root.exists():
            return
        if not self.root.is_dir():
            raise TargetError(str(self.root), "not a folder", hint="name an empty or new folder with --root")
        if foreign := sorted({path.name for path in self.root.iterdir()} - _NO_MATTER):
            named = ", ".join(foreign[:5]) + (" and more" if len(foreign) > 5 else "")
            raise TargetError(
                str(self.root),
                "not a site, and not empty",
                found=named,
                hint="name an empty or new folder with --root",
            )

    def path(self, name: str) -> Path:
        return self.root / name

    def current(self) -> int:
        """The number of the generation in use, 0 where there is none. Raises IntegrityError where `current` is foreign."""
        try:
            target = str(self.path(CURRENT).readlink())
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise IntegrityError(str(self.path(CURRENT)), "not a link that airlock made") from error
        digits = target.rpartition("/")[2]
        number = int(digits) if digits.isascii() and digits.isdigit() else 0
        if not number or directory_of(number) != target:
            raise IntegrityError(str(self.path(CURRENT)), "not a link that airlock made", found=repr(target))
        return number

    def numbers(self) -> tuple[int, ...]:
        """Of the generations that have a record, in order."""
        folder = self.path("state/generations")
        found = (path.stem for path in folder.glob("*.json")) if folder.is_dir() else ()
        return tuple(sorted(int(stem) for stem in found if stem.isascii() and stem.isdigit()))

    def generation(self, number: int) -> Generation:
        """Raises TargetError where there is no such generation, IntegrityError where its record is damaged."""
        where = str(self.path(record_of(number)))
        if (data := read_regular(Path(where))) is None:
            known = ", ".join(map(str, self.numbers())) or "none"
            raise TargetError(str(self.root), f"no generation {number}", expected=f"one of {known}")
        record = _parsed(data, where)
        if record.number != number:
            raise IntegrityError(where, "record of another generation", found=str(record.number))
        return record

    def current_generation(self) -> Generation | None:
        number = self.current()
        return self.generation(number) if number else None

    def accepted(self) -> tuple[int, ...]:
        """The numbers of the generations that were switched to and stayed, in order."""
        done = {act.after for act in self.switches() if act.outcome == "done"}
        return tuple(number for number in self.numbers() if number in done)

    def names(self, folder: str) -> tuple[str, ...]:
        """Of what is in a folder, sorted, from the root on; nothing where there is none."""
        path = self.path(folder)
        found = (f"{folder}/{one.name}" for one in path.iterdir()) if path.is_dir() else ()
        return tuple(sorted(found))

    def earlier(self, current: Generation) -> tuple[int, ...]:
        """Accepted generations with other files, of their own, older than those of `current`; the newest first."""
        known = [number for number in self.accepted() if number < current.content]
        records = (self.generation(number) for number in reversed(known))
        return tuple(
            one.number for one in records if one.content == one.number and one.index != current.index
        )

    def index(self, digest: Digest) -> BundleIndex:
        """Of a bundle that was installed here. Raises IntegrityError."""
        path = self.path(index_of(digest))
        if (data := read_regular(path)) is None or digest_of(data) != digest:
            raise IntegrityError(str(path), "not the index that was installed", expected=digest)
        return parse_index(data, str(path))

    def journal(self) -> Journal:
        """Raises IntegrityError that names the first line that is broken or tells what cannot be, or where the journal was
        removed."""
        journal, fault = self.sound_journal()
        if fault:
            raise fault
        return journal

    def sound_journal(self) -> tuple[Journal, IntegrityError | None]:
        """The lines before the first that is broken, and what is wrong with that one."""
        path = self.path(JOURNAL)
        if (data := read_regular(path, MAX_JOURNAL)) is not None:
            return _journal(data, str(path))
        return Journal(), self._removed() if self.numbers() else None

    def _removed(self) -> IntegrityError:
        """A generation's record is never there before the journal is."""
        hint = "put it back, or begin another with `airlock history --restart --reason TEXT`"
        what = "there are generations but no journal: it was removed"
        return IntegrityError(str(self.path(JOURNAL)), what, hint=hint)

    def used_before(self, number: int) -> int:
        """The generation that was in use before that one; 0 where there was none."""
        if switch := self.verdict_on(number):
            return switch.before
        done = [act.after for act in self.switches() if act.outcome == "done" and act.after < number]
        return done[-1] if done else 0

    def switches(self) -> tuple[Act, ...]:
        """The acts that changed which generation is current, or tried to; the oldest first."""
        return tuple(act for act in self.journal().acts if act.after)

    def intent(self) -> Act | None:
        path = self.path(INTENT)
        data = read_regular(path)
        return parse_act(data, str(path)) if data is not None else None

    def root_of_trust(self) -> bytes | None:
        """The pinned trust root, None before the first install."""
        return read_regular(self.path(ROOT_OF_TRUST))

    def approval_roots(self) -> dict[str, bytes]:
        """The pinned roots of those who must approve, by their names; retired ones too."""
        paths = sorted(self.path("state/trust").glob(f"*{_APPROVAL_ROOT}"))
        found = ((path.name.removesuffix(_APPROVAL_ROOT), read_regular(path)) for path in paths)
        return {name: data for name, data in found if data is not None}

    def accepted_release(self) -> int:
        """The highest release counter that was installed here and stayed."""
        return max((act.release for act in self.switches() if act.outcome == "done"), default=0)

    def accepted_indexes(self, release: int) -> frozenset[Digest]:
        """What was installed here with that release counter, and stayed."""
        acts = self.switches()
        return frozenset(
            act.index for act in acts if act.index and act.outcome == "done" and act.release == release
        )

    def pin(self, root: bytes, approvals: Mapping[str, bytes]) -> None:
        """From now on the site trusts these roots, and what they lead to."""
        if self.root_of_trust() != root:
            self.replace(ROOT_OF_TRUST, root)
        known = self.approval_roots()
        for name, approval in sorted(approvals.items()):
            if known.get(name) != approval:
                self.replace(f"state/trust/{name}{_APPROVAL_ROOT}", approval)

    def open_frame(self, digest: Digest) -> BinaryIO:
        """The zstd frame of an expanded form. Raises IntegrityError where the site does not have it."""
        path = self.path(f"store/{frame_name(digest)}")
        try:
            return open_regular(path)
        except FileNotFoundError as error:
            hint = "carry the whole bundle over instead of a delta"
            raise IntegrityError(str(path), "missing in the site's store", hint=hint) from error

    def replace(self, name: str, data: bytes) -> None:
        """A small file, old or new after a power cut, never a part."""
        temporary = name + TEMPORARY
        self.disk.remove(temporary)
        self.disk.write(temporary, [data], 0o644)
        self.disk.sync(temporary)
        self.disk.rename(temporary, name)
        self.disk.sync(name.rpartition("/")[0])

    def keep_room(self) -> None:
        """Raises OSError."""
        if not self.path(ROOM).exists():
            self.disk.write(ROOM, [os.urandom(_ROOM)], 0o644)

    def record(self, generation: Generation) -> None:
        data = write_generation(generation)
        check_limits(data, f"the record of generation {generation.number}")
        self.replace(record_of(generation.number), data)

    def point_to(self, number: int) -> None:
        """The switch: one rename."""
        temporary = CURRENT + TEMPORARY
        self.disk.remove(temporary)
        self.disk.symlink(directory_of(number), temporary)
        self.disk.rename(temporary, CURRENT)
        self.disk.sync(".")

    def announce(self, act: Act) -> None:
        self.replace(INTENT, write_act(act))

    def conclude(self, act: Act) -> None:
        """Write the verdict down, once, however often the power goes."""
        if self.verdict_on(act.after) is None:
            self.append(act)
        self.disk.remove(INTENT)

    def verdict_on(self, number: int) -> Act | None:
        """The act that switched to a generation, None where it is not in the journal."""
        return next((act for act in reversed(self.switches()) if act.after == number), None)

    def append(self, act: Act) -> Line:
        """One more line of the journal, synced. The caller holds the lock. Raises IntegrityError where the journal is
        broken, and OSError."""
        journal, path = self.journal(), self.path(JOURNAL)
        if journal.torn:
            self.replace(JOURNAL, path.read_bytes()[: journal.size])
        data = next_line(journal, act)
        self.disk.append(JOURNAL, data)
        self.disk.sync(JOURNAL)
        if not journal.lines:
            self.disk.sync(STATE)
        return parse_line(data, str(path))


@lru_cache(maxsize=2)
def _parsed(data: bytes, where: str) -> Generation:
    """A command asks for the same record several times, of some thousand files."""
    return parse_generation(data, where)


@lru_cache(maxsize=2)
def _journal(data: bytes, where: str) -> tuple[Journal, IntegrityError | None]:
    journal, fault = sound_part(data, where)
    if fault is None:
        try:
            course_of(journal, where)
        except IntegrityError as impossible:
            return journal, impossible
    return journal, fault


@contextmanager
def locked(site: Site, command: str) -> Iterator[None]:
    """Keep every other command that changes the site out. Raises TargetError that names who holds it."""
    site.disk.make_directory(STATE)
    with exclusive(site.path(LOCK), f"airlock {command}"):
        yield


def is_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def as_target_error(error: OSError, where: str) -> AirlockError:
    """What the system says about the site's disk, in this family; a link where none was made is no matter of the disk."""
    place = str(Path(where) / error.filename) if isinstance(error.filename, str) else where
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        what = "a link or a file where airlock made something else; no link below a site is followed"
        return IntegrityError(place, what, hint="put back what was there")
    return TargetError(place, str(error.strerror or error), hint=_way_on(error, where))


def _way_on(error: OSError, where: str) -> str | None:
    if is_full(error):
        return "free some space, or let go of old generations with `airlock gc`"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"run airlock as the user that owns {where}, or name another --root"
    if error.errno == errno.EROFS:
        return "mount it to be written, or name another --root"
    return None
