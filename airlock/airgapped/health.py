"""Run the health check of a generation."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from airlock.core.artifact import HealthCheck

_TAIL = 4000
"""Bytes of output that are kept."""
_GRACE = 2
"""Seconds for the output to end after the program did; a daemon that it left behind may hold it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    healthy: bool
    detail: str
    """How it ended and the last of its output, empty where all is well."""


def check_health(check: HealthCheck, generation: Path, environment: Mapping[str, str]) -> Verdict:
    """Run the command with the generation's `bin` first on PATH, in its directory, within its time."""
    tail = _Tail()
    try:
        process = subprocess.Popen(
            check.command,
            cwd=generation,
            env=_environment(generation, environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL
        return Verdict(
            healthy=False, detail=f"{check.command[0]}: {getattr(error, 'strerror', None) or error}"
        )
    with process:
        assert process.stdout is not None, "it was asked for"
        reader = threading.Thread(target=tail.read, args=(process.stdout,), daemon=True)
        reader.start()
        end = _wait(process, check.timeout)
        reader.join(_GRACE)
        if reader.is_alive():
            _kill(process)
            reader.join(_GRACE)
    return Verdict(healthy=not end, detail=f"{end}\n{tail.text()}".strip() if end else "")


def _environment(generation: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """As an activated virtual environment, without what would lead Python elsewhere."""
    kept = {name: value for name, value in environment.items() if not name.startswith("PYTHON")}
    path = os.pathsep.join([str(generation / "bin"), *filter(None, [kept.get("PATH", os.defpath)])])
    return kept | {"PATH": path, "VIRTUAL_ENV": str(generation)}


def _wait(process: "subprocess.Popen[bytes]", timeout: int) -> str:
    """Empty where it ended well."""
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        _kill(process)
        return f"no end after {timeout} seconds"
    if code < 0:
        return f"ended by signal {-code}"
    return f"exit code {code}" if code else ""


def _kill(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


class _Tail:
    """The last of a stream, whatever its length."""

    def __init__(self) -> None:
        self._data = b""

    def read(self, stream: IO[bytes]) -> None:
        while chunk := os.read(stream.fileno(), _TAIL):
            self._data = (self._data + chunk)[-_TAIL:]

    def text(self) -> str:
        return self._data.decode(errors="replace")
