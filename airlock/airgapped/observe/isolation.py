"""A place without a network, of which the tools of the machine make one: bubblewrap, else a namespace by util-linux."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airlock.errors import TargetError

_TRIAL = 20
"""Seconds."""
_SERVICES = ("/run/nscd", "/run/systemd/resolve", "/run/avahi-daemon")
"""Sockets of services that ask name servers for others, which no network namespace keeps away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    prefix: tuple[str, ...]
    """What a command is put behind."""
    name: str
    loopback: bool
    """Whether the application can reach itself."""


def isolation(scratch: Path) -> Isolation:
    """The best that works here. Raises TargetError where none does: without one, what is to be found would happen."""
    resolver = scratch / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    for one in _possible(resolver):
        if shutil.which(one.prefix[0]) and _works([*one.prefix, "true"]):
            return one
    what = "no network namespace can be made here, and without one the application would reach what is there"
    raise TargetError("--run", what, hint="install bubblewrap, or allow user namespaces, or run as root")


def _possible(resolver: Path) -> Sequence[Isolation]:
    hidden = [word for place in _SERVICES if Path(place).is_dir() for word in ("--tmpfs", place)]
    system = Path("/etc/resolv.conf").resolve()
    names = ["--ro-bind", str(resolver), str(system)] if system.is_file() else []
    bubblewrap = [
        "bwrap",
        "--unshare-net",
        "--dev-bind",
        "/",
        "/",
        *hidden,
        *names,
        "--die-with-parent",
        "--",
    ]
    user = ["unshare", "--user", "--map-current-user", "--net", "--"]
    return (
        Isolation(prefix=tuple(bubblewrap), name="network namespace by bubblewrap", loopback=True),
        Isolation(prefix=tuple(user), name="network namespace without loopback", loopback=False),
        Isolation(
            prefix=("unshare", "--net", "--"), name="network namespace without loopback", loopback=False
        ),
    )


def _works(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRIAL, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def strace_version() -> str:
    """As `strace 6.1`; empty where it is not there or may not trace."""
    if shutil.which("strace") is None or not _works(["strace", "-qq", "-e", "trace=execve", "true"]):
        return ""
    done = subprocess.run(
        ["strace", "--version"], capture_output=True, text=True, check=False, timeout=_TRIAL
    )
    number = done.stdout.partition("version ")[2].split()
    return f"strace {number[0]}" if number else "strace"
