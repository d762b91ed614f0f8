"""A source tree on the disk: which of its files count, their digest, and a copy of them.

Where git tracks the project, the files that git tracks; elsewhere everything but version control, environments, caches and
build output. Never what airlock itself writes.
"""

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from airlock.core.digest import CHUNK, Digest
from airlock.errors import UsageError
from airlock.kinds.wheel.building.sources import EPOCH, Source

_CACHES = (".tox", ".nox", ".*_cache", ".cache", ".hypothesis", "node_modules", ".DS_Store")
_NEVER = (
    *_CACHES,
    ".git",
    ".hg",
    ".svn",
    ".venv",
    "venv",
    ".env",
    "__pycache__",
    "*.pyc",
    "*.egg-info",
    ".eggs",
)
_OURS = ("airlock.toml", "*.lock", "*.airlock", "*.airdelta", "airlock.journal")
_NEVER_AT_TOP = ("build", "dist", *_OURS)
_PROJECT = ("pyproject.toml", "setup.py")
_PATIENCE = 60
"""Seconds that git has to list its files."""
_GIT = ("git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false")
"""A listing runs nothing that the tree names."""
SHOWN = 5


def tree_digest(tree: Path) -> Digest:
    """A digest of what decides the wheel: path, content and executable bit of every file that counts. Raises
    UsageError."""
    return _digest(tree, tree_files(tree))


def tree_source(label: str, tree: Path) -> Source:
    """The tree as something to build. Raises UsageError where it is not there."""

    def unpack(directory: Path) -> int:
        _copy(tree, tree_files(tree), directory / "tree")
        return EPOCH

    return Source(label=label, digest=tree_digest(tree), unpack=unpack)


def tree_files(tree: Path) -> list[str]:
    """Relative paths of the files that count, by the bytes of the path. Links that lead out of the tree are left out."""
    if not tree.is_dir():
        raise UsageError(str(tree), "no such source tree", hint="`source` below [python] names it")
    tracked = _tracked(tree)
    found = _walked(tree) if tracked is None else _of_project(tracked)
    return sorted(_inside(tree.resolve(), found), key=os.fsencode)


def untracked(tree: Path) -> list[str]:
    """Python files that git does not know and was not told to ignore, where git decides which files count."""
    if _tracked(tree) is None:
        return []
    found = _git(tree, "--others", "--exclude-standard", "--", "*.py", "*.pyi", "*.toml")
    return sorted(_of_project(found or ()))


def _tracked(tree: Path) -> list[str] | None:
    """What git tracks; None where it does not track the project."""
    found = _git(tree, "--cached", "--recurse-submodules")
    return found if found and any(name in found for name in _PROJECT) else None


def _git(tree: Path, *options: str) -> list[str] | None:
    environment = {"PATH": os.pathsep.join(os.get_exec_path()), "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        listing = subprocess.run(
            [*_GIT, "-C", str(tree), "ls-files", "-z", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            check=True,
            timeout=_PATIENCE,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return [os.fsdecode(path) for path in listing.split(b"\0") if path]


def _of_project(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        top, below, _ = path.partition("/")
        if below or not any(fnmatch(top, pattern) for pattern in _OURS):
            yield path


def _walked(tree: Path) -> Iterator[str]:
    for directory, names, files in os.walk(tree):
        top = Path(directory) == tree
        names[:] = [name for name in names if not _left_out(name, top)]
        for name in files:
            if not _left_out(name, top):
                yield str(Path(directory, name).relative_to(tree))


def _inside(root: Path, paths: Iterable[str]) -> Iterator[str]:
    """Those that are files, and lie in the tree once every link is followed."""
    top = str(root)
    folders: dict[str, bool] = {}
    for path in paths:
        place = os.path.join(top, path)  # noqa: PTH118  # a tree may have a hundred thousand files
        folder = os.path.dirname(place)  # noqa: PTH120
        if folder not in folders:
            folders[folder] = Path(folder).resolve().is_relative_to(root)
        if folders[folder] and _is_file(place, root):
            yield path


def _is_file(place: str, root: Path) -> bool:
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return False
    if stat.S_ISLNK(mode):
        return Path(place).is_file() and Path(place).resolve().is_relative_to(root)
    return stat.S_ISREG(mode)


def _left_out(name: str, top: bool) -> bool:
    return any(fnmatch(name, pattern) for pattern in (_NEVER + _NEVER_AT_TOP if top else _NEVER))


def _digest(tree: Path, files: Iterable[str]) -> Digest:
    hasher, top = hashlib.sha256(), str(tree)
    for path in files:
        content, size, executable = _read(os.path.join(top, path))  # noqa: PTH118
        mark = "x" if executable else "-"
        hasher.update(f"{len(os.fsencode(path))} {mark} {size} {content}\n".encode())
        hasher.update(os.fsencode(path))
    return Digest("sha256:" + hasher.hexdigest())


def _read(place: str) -> tuple[str, int, bool]:
    """The sha256 of a file in hexadecimal, its size in bytes, and whether its owner may execute it."""
    with open(place, "rb") as stream:  # noqa: PTH123
        status = os.fstat(stream.fileno())
        content = hashlib.file_digest(stream, "sha256").hexdigest()
    return content, status.st_size, bool(status.st_mode & 0o100)


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def _copy(tree: Path, files: Iterable[str], to: Path) -> None:
    to.mkdir(parents=True)
    for path in files:
        target = to / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with (tree / path).open("rb") as content, target.open("xb") as out:
            while chunk := content.read(CHUNK):
                out.write(chunk)
        target.chmod(0o755 if _executable(tree / path) else 0o644)
        os.utime(target, (EPOCH, EPOCH))
