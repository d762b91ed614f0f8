"""Run one hook of a build backend with no network and as little of the machine as this machine can take away.

Bubblewrap where it is, else namespaces (`unshare`), else only a process group of its own.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

Kind = Literal["bubblewrap", "namespaces", "network", "none"]

_UNSHARE = {
    "namespaces": ("--map-root-user", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"),
    "network": ("--map-root-user", "--net"),
}
_BUBBLEWRAP = ("--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/")
_FRESH = ("--dev", "/dev", "--proc", "/proc")
_HIDDEN = ("/tmp", "/var/tmp", "/run", "/home", "/root", "/mnt", "/media", "/srv")
"""Places that a build has no business with: what people keep, and the sockets of services."""
_UMASK = 0o022
_TRIAL = 10
"""Seconds."""


class TimeUp(Exception):
    """A hook did not end in time; `seconds` is what it had."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one build gets to see."""

    writable: tuple[Path, ...]
    """The directories that it may write to."""
    readable: tuple[Path, ...]
    """What it must be able to read although it may lie in a place that is hidden, as the interpreter."""
    environment: Mapping[str, str]
    """All of it."""
    log: Path
    """Where everything goes that it prints."""
    seconds: int
    """How long each hook may take."""


@lru_cache
def sandbox() -> Kind:
    """The best that works here."""
    if (bwrap := shutil.which("bwrap")) and _works([bwrap, *_BUBBLEWRAP, *_FRESH, "--", "true"]):
        return "bubblewrap"
    if unshare := shutil.which("unshare"):
        for kind, options in _UNSHARE.items():
            if _works([unshare, *options, "--", "true"]):
                return "namespaces" if kind == "namespaces" else "network"
    return "none"


def _works(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TRIAL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def run(command: Sequence[str], cwd: Path, extra: Mapping[str, str], cell: Cell, kind: Kind) -> None:
    """Raises CalledProcessError where it fails, TimeUp where it does not end. What it started is ended with it."""
    with cell.log.open("ab") as log:
        process = subprocess.Popen(
            [*_prefix(kind, cell, cwd), *command],
            cwd=cwd,
            env={**cell.environment, **extra},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=_UMASK,
        )
        try:
            code = process.wait(cell.seconds)
        except subprocess.TimeoutExpired:
            raise TimeUp(cell.seconds) from None
        finally:
            _end(process)
    if code:
        raise subprocess.CalledProcessError(code, list(command))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """The whole group, of which some may be alive though its head is not."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _prefix(kind: Kind, cell: Cell, cwd: Path) -> list[str]:
    if kind == "none":
        return []
    if kind == "bubblewrap":
        hidden = [option for place in _HIDDEN if Path(place).is_dir() for option in ("--tmpfs", place)]
        seen = [*_options("--ro-bind", cell.readable), *_options("--bind", cell.writable)]
        return ["bwrap", *_BUBBLEWRAP, *_FRESH, *hidden, *seen, "--chdir", str(cwd), "--"]
    return ["unshare", *_UNSHARE[kind], "--"]


def _options(option: str, paths: Iterable[Path]) -> list[str]:
    return [word for path in paths for word in (option, str(path), str(path))]
