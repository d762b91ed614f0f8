"""Run airlock as a user does: in a process of its own, and, for the far side, without any network."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Runs commands in `directory`. `Shell.far()` is the same place behind the gap."""

    directory: Path
    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()

    def far(self) -> "Shell":
        return Shell(directory=self.directory, environment=self.environment, prefix=no_network())

    def run(self, *command: str) -> Outcome:
        done = subprocess.run(
            (*self.prefix, *command),
            cwd=self.directory,
            env=os.environ | dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        return Outcome(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def airlock(self, *arguments: str, code: int = 0) -> Outcome:
        """Run airlock and demand its exit code."""
        outcome = self.run(sys.executable, "-m", "airlock", *arguments)
        assert outcome.code == code, (
            f"airlock {' '.join(arguments)}: exit {outcome.code}\n{outcome.stderr}{outcome.stdout}"
        )
        return outcome

    def good(self, *command: str) -> str:
        outcome = self.run(*command)
        assert outcome.code == 0, (
            f"{' '.join(command)}: exit {outcome.code}\n{outcome.stderr}{outcome.stdout}"
        )
        return outcome.stdout


@cache
def no_network() -> tuple[str, ...]:
    """What to put before a command so that it has no network; nothing where the machine has no namespaces."""
    command = ("unshare", "-rn", "--")
    return command if _works((*command, "true")) else ()


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
