"""A site: the root that generations are installed below, and what it remembers of itself."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from airlock.core.digest import Digest, hex_of
from airlock.errors import AirlockError, IntegrityError, TargetError
from airlock.formats.generation import Generation, parse_generation, write_generation
from airlock.formats.index import BundleIndex, frame_name, parse_index
from airlock.formats.journal import Act, parse_act, parse_journal, write_act, write_journal
from airlock.storage.disk import Disk
from airlock.storage.exclusive import exclusive

CURRENT = "current"
STATE = "state"
LOCK = "state/lock"
JOURNAL = "state/journal.jsonl"
INTENT = "state/switch.json"
"""The act that is under way between the switch and the verdict on it."""
ROOT_OF_TRUST = "state/trust/root.json"
_APPROVAL_ROOT = ".approval-root.json"
FRAMES = "store/frames"
TEMPORARY = ".airlock-tmp"
"""How every name ends that the next command may remove."""


def directory_of(number: int) -> str:
    return f"generations/{number}"


def staging_of(number: int) -> str:
    return f"generations/{number}{TEMPORARY}"


def record_of(number: int) -> str:
    return f"state/generations/{number}.json"


def index_of(digest: Digest) -> str:
    return f"store/indexes/{hex_of(digest)}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    root: Path
    """Absolute, links resolved."""
    disk: Disk

    def next_number(self) -> int:
        """One that was never used here."""
        used = [*self.numbers(), *(act.after for act in self.journal()), self.current()]
        return max(used) + 1

    def path(self, name: str) -> Path:
        return self.root / name

    def current(self) -> int:
        """The number of the generation in use, 0 where there is none. Raises TargetError where `current` is foreign."""
        try:
            target = str(self.path(CURRENT).readlink())
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise TargetError(str(self.path(CURRENT)), "not a link that airlock made") from error
        folder, _, number = target.partition("/")
        if folder != "generations" or not number.isascii() or not number.isdigit():
            raise TargetError(str(self.path(CURRENT)), "not a link that airlock made", found=repr(target))
        return int(number)

    def numbers(self) -> tuple[int, ...]:
        """Of the generations that have a record, in order."""
        folder = self.path("state/generations")
        found = (path.stem for path in folder.glob("*.json")) if folder.is_dir() else ()
        return tuple(sorted(int(stem) for stem in found if stem.isascii() and stem.isdigit()))

    def generation(self, number: int) -> Generation:
        """Raises TargetError where there is no such generation, IntegrityError where its record is damaged."""
        where = str(self.path(record_of(number)))
        try:
            record = _parsed(Path(where).read_bytes(), where)
        except FileNotFoundError as error:
            known = ", ".join(map(str, self.numbers())) or "none"
            raise TargetError(
                str(self.root), f"no generation {number}", expected=f"one of {known}"
            ) from error
        if record.number != number:
            raise IntegrityError(where, "record of another generation", found=str(record.number))
        return record

    def current_generation(self) -> Generation | None:
        number = self.current()
        return self.generation(number) if number else None

    def index(self, digest: Digest) -> BundleIndex:
        """Of a bundle that was installed here. Raises IntegrityError."""
        where = str(self.path(index_of(digest)))
        return parse_index(self.path(index_of(digest)).read_bytes(), where)

    def journal(self) -> tuple[Act, ...]:
        path = self.path(JOURNAL)
        return parse_journal(path.read_bytes(), str(path)) if path.exists() else ()

    def intent(self) -> Act | None:
        path = self.path(INTENT)
        return parse_act(path.read_bytes(), str(path)) if path.exists() else None

    def root_of_trust(self) -> bytes | None:
        """The pinned trust root, None before the first install."""
        path = self.path(ROOT_OF_TRUST)
        return path.read_bytes() if path.exists() else None

    def approval_roots(self) -> dict[str, bytes]:
        """The pinned roots of those who must approve, by their names; retired ones too."""
        paths = sorted(self.path("state/trust").glob(f"*{_APPROVAL_ROOT}"))
        return {path.name.removesuffix(_APPROVAL_ROOT): path.read_bytes() for path in paths}

    def accepted_release(self) -> int:
        """The highest release counter that was installed here and stayed."""
        return max((act.release for act in self.journal() if act.outcome == "done"), default=0)

    def accepted_indexes(self, release: int) -> frozenset[Digest]:
        """What was installed here with that release counter, and stayed."""
        acts = self.journal()
        return frozenset(act.index for act in acts if act.outcome == "done" and act.release == release)

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
            return path.open("rb")
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

    def record(self, generation: Generation) -> None:
        self.replace(record_of(generation.number), write_generation(generation))

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
        acts = self.journal()
        if not acts or (acts[-1].after, acts[-1].time) != (act.after, act.time):
            self.replace(JOURNAL, write_journal((*acts, act)))
        self.disk.remove(INTENT)


@lru_cache(maxsize=2)
def _parsed(data: bytes, where: str) -> Generation:
    """A command asks for the same record several times, of some thousand files."""
    return parse_generation(data, where)


@contextmanager
def locked(site: Site, command: str) -> Iterator[None]:
    """Keep every other command that changes the site out. Raises TargetError that names who holds it."""
    site.disk.make_directory(STATE)
    with exclusive(site.path(LOCK), f"airlock {command}"):
        yield


def as_target_error(error: OSError, where: str) -> AirlockError:
    """What the system says about the site's disk, in this family."""
    place = error.filename if isinstance(error.filename, str) else where
    hint = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
    return TargetError(place, str(error.strerror or error), hint=hint)
