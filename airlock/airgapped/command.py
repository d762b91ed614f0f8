"""Run a command that a bundle names, in its generation, within its time."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TAIL = 4000
"""Bytes of output that are kept for people."""
_READ = 1 << 16
_GRACE = 2
"""Seconds for the output to end after the program did; a daemon that it left behind may hold it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    fault: str
    """How it ended, as `exit code 1`; empty where all is well."""
    output: str
    """The last of what it wrote."""

    @property
    def detail(self) -> str:
        """For the journal; empty where all is well."""
        return f"{self.fault}\n{self.output}".strip() if self.fault else ""


def run(
    command: Sequence[str], timeout: int, generation: Path, environment: Mapping[str, str], kept: int = TAIL
) -> Ended:
    """With the generation's `bin` first on PATH, in its directory, within `timeout` seconds; `kept` is how many bytes of its
    output are."""
    tail = _Tail(kept)
    try:
        process = subprocess.Popen(
            command,
            cwd=generation,
            env=activated(generation, environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL
        return Ended(fault=f"{command[0]}: {getattr(error, 'strerror', None) or error}", output="")
    with process:
        assert process.stdout is not None, "it was asked for"
        reader = threading.Thread(target=tail.read, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            fault = _wait(process, timeout)
        except BaseException:  # it is in a session of its own, where no Ctrl-C reaches it
            _kill(process)
            reader.join(_GRACE)
            raise
        reader.join(_GRACE)
        if reader.is_alive():
            _kill(process)
            reader.join(_GRACE)
    return Ended(fault=fault, output=tail.text())


def activated(generation: Path, environment: Mapping[str, str]) -> dict[str, str]:
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

    def __init__(self, kept: int) -> None:
        self._data, self._kept = b"", kept

    def read(self, stream: IO[bytes]) -> None:
        while chunk := os.read(stream.fileno(), _READ):
            self._data = (self._data + chunk)[-self._kept :]

    def text(self) -> str:
        return self._data.decode(errors="replace")
