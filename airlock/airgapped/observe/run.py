"""Run an application behind whatever watches it, and collect what that saw."""

import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from airlock.airgapped.observe import hook
from airlock.airgapped.observe.isolation import isolation, strace_version
from airlock.airgapped.observe.log import Told, events_in, stacks_in
from airlock.airgapped.observe.trace import SIGNALLED, TRACED, Trace
from airlock.errors import TargetError
from airlock.formats.findings import Ran

_GRACE = 10
"""Seconds that an application has to end once it is asked to, and its trace to be read to the end."""
_LONGEST_LINE = 1 << 16
_COUNTERS = 'trap : INT TERM; "$@"; code=$?; cat /proc/net/snmp > "$AIRLOCK_COUNTERS" 2>/dev/null; exit $code'
"""What runs a command where nothing traces it: the kernel still counts what had no way out of the namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    ran: Ran
    trace: Trace | None
    """None where strace is not there."""
    told: tuple[Told, ...]
    stacks: Mapping[int, list[tuple[str, ...]]]
    unrouted: int
    """How often the kernel had no way for something that was sent; counted only where nothing traces."""
    folder: str
    """What the watching itself used, with a slash at its end."""


def observe(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    seconds: int | None,
    tracing: bool = True,
) -> Observed:
    """Run `command` in `folder`, with no network, until it ends or `seconds` are over. What it prints goes to stderr. Raises
    TargetError where there can be no isolation, or it does not start."""
    with TemporaryDirectory(prefix="airlock-observe-") as name:
        scratch = Path(name).resolve()
        away = isolation(scratch)
        version = strace_version() if tracing else ""
        _lay_hook(scratch)
        counters = scratch / "counters"
        seen = {**environment, "PYTHONPATH": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
        if version:
            with _reading(scratch / "trace") as trace:
                code = _run([*away.prefix, *_strace(scratch / "trace"), *command], folder, seen, seconds)
        else:
            trace, seen["AIRLOCK_COUNTERS"] = None, str(counters)
            code = _run([*away.prefix, "/bin/sh", "-c", _COUNTERS, "sh", *command], folder, seen, seconds)
        told = tuple(events_in(scratch / "log"))
        hooked = any((scratch / "log").glob("*.events"))
        means = (away.name, version or "kernel counters", *(("audit hook",) if hooked else ()))
        return Observed(
            ran=Ran(command=tuple(command), exit_code=code, means=means),
            trace=trace,
            told=told,
            stacks=stacks_in(scratch / "log"),
            unrouted=_unrouted(counters),
            folder=f"{scratch}/",
        )


def _lay_hook(scratch: Path) -> None:
    (scratch / "log").mkdir()
    shutil.copyfile(hook.__file__, scratch / "sitecustomize.py")


def _strace(out: Path) -> list[str]:
    injected = f"inject={','.join(SIGNALLED)}:signal=SIGURG"
    traced = f"trace={','.join(TRACED)}"
    return [
        "strace",
        "-f",
        "-qq",
        "-y",
        "-s",
        "300",
        "-e",
        "signal=SIGURG",
        "-e",
        traced,
        "-e",
        injected,
        "-o",
        str(out),
        "--",
    ]


@contextmanager
def _reading(pipe: Path) -> Iterator[Trace]:
    """What is written to a pipe of that name, taken in while the application runs: nothing is kept but the trace."""
    os.mkfifo(pipe)
    trace = Trace()
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    holder = os.open(pipe, os.O_WRONLY)
    stream = os.fdopen(descriptor, errors="backslashreplace")
    reader = threading.Thread(target=_read, args=(stream, trace), daemon=True)
    reader.start()
    try:
        yield trace
    finally:
        os.close(holder)
        reader.join(_GRACE)


def _read(stream: IO[str], trace: Trace) -> None:
    with stream:
        while line := stream.readline(_LONGEST_LINE):
            trace.take(line.rstrip("\n"))


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: int | None) -> int:
    """The exit code, 128 and its number for a signal. An interruption goes to the application, as it does to us."""
    try:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=2)
    except OSError as error:
        raise TargetError(command[0], f"cannot be started, {error.strerror}") from error
    try:
        code = process.wait(seconds)
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as reason:
        code = _end(process, isinstance(reason, subprocess.TimeoutExpired))
    return code if code >= 0 else 128 - code


def _end(process: "subprocess.Popen[bytes]", ask: bool) -> int:
    """What isolates and watches is between us and the application, and would let go of it if it were ended itself."""
    with ExitStack() as held:
        family = [held.enter_context(one) for pid in _descendants(process.pid) for one in _held(pid)]
        if ask:
            _signal(family, signal.SIGTERM)
        _signal(_left(family), signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        return process.wait(_GRACE)
    process.kill()
    return process.wait()


def _descendants(process: int) -> Iterator[int]:
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text().split()):
                yield child
                yield from _descendants(child)


def _held(process: int) -> Iterator[IO[bytes]]:
    """What names a process for as long as it is open, whoever has its number by then; nothing for one that has ended."""
    with suppress(ProcessLookupError):
        yield os.fdopen(os.pidfd_open(process), "rb", buffering=0)


def _signal(family: Iterable[IO[bytes]], number: int) -> None:
    for one in family:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(one.fileno(), number)


def _left(family: Iterable[IO[bytes]]) -> list[IO[bytes]]:
    """Those that have not ended when the time for it is over."""
    left, end = list(family), time.monotonic() + _GRACE
    while left and (patience := end - time.monotonic()) > 0:
        ended, _, _ = select.select(left, (), (), patience)
        left = [one for one in left if one not in ended]
    return left


def _unrouted(counters: Path) -> int:
    """`OutNoRoutes` of the namespace (RFC 4293 has it as ipSystemStatsOutNoRoutes)."""
    if not counters.is_file():
        return 0
    rows = [
        line.split() for line in counters.read_text(errors="replace").splitlines() if line.startswith("Ip:")
    ]
    if len(rows) < 2:
        return 0
    values = dict(zip(rows[0], rows[1], strict=False))
    text = values.get("OutNoRoutes", "0")
    return int(text) if text.isdecimal() else 0
