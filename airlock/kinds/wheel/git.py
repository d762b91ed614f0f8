"""A git repository at one commit, as an archive that is the same on every machine.

Nothing is checked out: the files are read out of the commit's tree, so no attribute, filter, hook or submodule has a say.
Only the user's own git knows how to log in; it never asks.
"""

import fcntl
import hashlib
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from airlock.core.digest import Digest
from airlock.core.paths import safe_path
from airlock.errors import AirlockError, FetchError, IntegrityError
from airlock.kinds import NearSide
from airlock.kinds.wheel.references import Reference

_GIT = (
    "/usr/bin/env",
    *("-u", "GIT_DIR", "-u", "GIT_WORK_TREE", "-u", "GIT_INDEX_FILE", "-u", "GIT_OBJECT_DIRECTORY"),
    *("GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "LC_ALL=C", "git"),
    *("-c", "core.hooksPath=/dev/null", "-c", "transfer.fsckObjects=true", "-c", "protocol.ext.allow=never"),
)
_PATIENCE = 1800
"""Seconds for one command."""
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_WANTED = "refs/airlock/wanted"
_TAG = re.compile(r"(?:[\w-]+-)?[vV]?([0-9].*)")
_LAST = re.compile(r"[0-9]+\Z")
_LINK = "120000"
"""The mode of a symbolic link."""
MAX_FILES = 200_000
MAX_FILE = 1 << 30
"""Bytes of one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """`commit` and `tree` are git's own names for them; `digest` that of an uncompressed tar in the store."""

    commit: str
    tree: str
    digest: Digest


def archive(reference: Reference, commit: str | None, near: NearSide) -> Archived:
    """What the reference's revision is today, or the very `commit`, put into the store. Raises FetchError."""
    with _repository(reference, near.cache) as repository:
        found = _fetch(repository, reference, commit or reference.revision or "HEAD")
        tree = _text(repository, reference, "rev-parse", f"{found}^{{tree}}")
        time = int(_text(repository, reference, "show", "-s", "--format=%ct", found))
        chunks = _tar(repository, reference, found, time)
        digest, _ = near.store.put(chunks, where=reference.label)
    return Archived(commit=found, tree=tree, digest=digest)


def version(reference: Reference, commit: str, near: NearSide) -> str:
    """The version (PEP 440) of a commit by the newest tag before it, as setuptools-scm reckons it where nothing else is
    configured: that of the tag, or the next one's `.devN+gCOMMIT`. Raises FetchError."""
    with _repository(reference, near.cache) as repository:
        shallow = _text(repository, reference, "rev-parse", "--is-shallow-repository") == "true"
        deepened = ("--unshallow",) if shallow else ()
        source = ("fetch", "-q", "--no-write-fetch-head", "--force", "--prune", *deepened)
        refs = ("+refs/tags/*:refs/tags/*", "+refs/heads/*:refs/airlock/heads/*")
        _run(repository, reference, *source, "--", reference.place, *refs)
        try:
            words = ("describe", "--tags", "--long", "--abbrev=40", "--match", "*[0-9]*", commit)
            tag, distance, _ = _text(repository, reference, *words).rsplit("-", 2)
        except FetchError:
            tag, distance = "0.0", _text(repository, reference, "rev-list", "--count", commit)
    return tagged(tag, int(distance), commit, reference.label)


def tagged(tag: str, distance: int, commit: str, where: str) -> str:
    """`distance` is in commits. Raises FetchError where the tag has no version in it."""
    match = _TAG.fullmatch(tag)
    try:
        found = Version(match[1] if match else tag)
    except InvalidVersion as error:
        hint = "name the source archive that its authors publish instead"
        raise FetchError(
            where, f"its version comes from the tag {tag!r}, which has none", hint=hint
        ) from error
    if not distance:
        return str(found)
    coming, _, dev = found.public.partition(".dev")
    if not dev:
        coming = _LAST.sub(lambda number: str(int(number[0]) + 1), coming)
    return f"{coming}.dev{distance}+g{commit[:9]}"


@contextmanager
def _repository(reference: Reference, cache: Path) -> Iterator[Path]:
    """A bare repository that keeps what was fetched, for one process at a time."""
    folder = cache / "git" / hashlib.sha256(reference.place.encode()).hexdigest()[:32]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        repository = folder / "repository"
        if not (repository / "HEAD").exists():
            _run(repository.parent, reference, "init", "-q", "--bare", str(repository))
        yield repository


def _fetch(repository: Path, reference: Reference, revision: str) -> str:
    """The commit that `revision` names. The one commit where the server gives it, else the whole history."""
    full = _COMMIT.fullmatch(revision) is not None
    if full and _knows(repository, reference, revision):
        return revision
    source = ("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--force")
    try:
        _run(repository, reference, *source, "--depth=1", "--", reference.place, f"{revision}:{_WANTED}")
        return _text(repository, reference, "rev-parse", f"{_WANTED}^{{commit}}")
    except FetchError:
        # Tags that versions were made of are none that the server may not have any more.
        refs = ("+refs/*:refs/airlock/all/*", "+refs/tags/*:refs/tags/*")
        _run(repository, reference, *source, "--prune", "--", reference.place, *refs)
        return _text(repository, reference, "rev-parse", "--verify", "-q", f"{revision}^{{commit}}")


def _knows(repository: Path, reference: Reference, commit: str) -> bool:
    try:
        _run(repository, reference, "cat-file", "-e", f"{commit}^{{tree}}")
    except FetchError:
        return False
    return True


def _tar(repository: Path, reference: Reference, commit: str, time: int) -> Iterator[bytes]:
    """Plain files by name, with the time of the commit; links and submodules are not carried."""
    where = f"{commit}:{reference.subdirectory}" if reference.subdirectory else commit
    listing = _run(repository, reference, "ls-tree", "-r", "-z", "--full-tree", where)
    entries = [_entry(line, reference) for line in listing.split(b"\0") if line]
    if len(entries) > MAX_FILES:
        raise IntegrityError(reference.label, "has too many files", expected=f"at most {MAX_FILES}")
    files = sorted((entry for entry in entries if entry[0] != _LINK), key=lambda entry: entry[2].encode())
    contents = _contents(repository, reference, [name for _, name, _ in files])
    for (mode, _, path), data in zip(files, contents, strict=True):
        info = tarfile.TarInfo(f"tree/{path}")
        info.size, info.mtime = len(data), max(0, time)
        info.mode = 0o755 if mode == "100755" else 0o644
        yield info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")
        yield data + bytes(-len(data) % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _contents(repository: Path, reference: Reference, names: list[str]) -> Iterator[bytes]:
    """The bytes of each blob, by one process, which is asked and answers in turn."""
    command = [*_GIT, "-C", str(repository), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None, "both are pipes"
        for name in names:
            process.stdin.write(f"{name}\n".encode())
            process.stdin.flush()
            _, kind, size = process.stdout.readline().split()
            if kind != b"blob" or int(size) > MAX_FILE:
                raise IntegrityError(
                    reference.label, f"git object {name} is no file of at most {MAX_FILE} bytes"
                )
            yield process.stdout.read(int(size) + 1)[:-1]


def _entry(line: bytes, reference: Reference) -> tuple[str, str, str]:
    head, _, path = line.partition(b"\t")
    mode, kind, name = head.decode().split(" ")
    if kind == "commit":
        hint = "name the source archive that its authors publish instead"
        raise FetchError(reference.label, "has submodules, which are not carried", hint=hint)
    return mode, name, safe_path(path.decode("utf-8", "replace"), reference.label)


def _text(repository: Path, reference: Reference, *arguments: str) -> str:
    return _run(repository, reference, *arguments).decode().strip()


def _run(directory: Path, reference: Reference, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            [*_GIT, "-C", str(directory), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=True,
        )
    except FileNotFoundError as error:
        raise FetchError(reference.label, "git is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise FetchError(reference.label, f"git did not end within {_PATIENCE} seconds") from error
    except subprocess.CalledProcessError as error:
        raise _failed(reference) from error
    return done.stdout


def _failed(reference: Reference) -> AirlockError:
    """Git's own words would name the host, and what stands before it."""
    revision = reference.revision or "its default branch"
    return FetchError(
        reference.label,
        f"git cannot get {revision} of the repository",
        hint="try `git ls-remote` with the same address; a commit that was rewritten away needs "
        f"`airlock lock --upgrade-package {reference.name}`",
    )
