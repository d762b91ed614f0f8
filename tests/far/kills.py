"""Commands that are really killed, at moments of chance, in processes of their own."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from airlock import cli
from airlock.airgapped.site import Site
from tests.far.bundles import site_at
from tests.far.survival import only_recover, settled, state
from tests.far.two_versions import Versions

_QUICK, _SLOW = 0.02, 20.0
"""Seconds that a command is given at most, as it turns out: so long that some end before they are killed."""


@dataclass
class Kills:
    versions: Versions
    folder: Path
    random: Random = field(default_factory=lambda: Random(4))
    counts: Counter[str] = field(default_factory=Counter)
    """How many of each command were killed, and how many ended before."""
    _takes: dict[str, float] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "site"

    @property
    def site(self) -> Site:
        return site_at(self.root)

    def run(self, kills: int) -> Counter[str]:
        """Kill until so many were killed; each killed command is followed by one that only recovers, or by the next of
        chance, which recovers as well. Whatever is found in use in between is one of both versions, whole."""
        if not self.root.exists():
            self._whole("install", "1.airlock", "--trust", "root.json")
        while self.counts["killed"] < kills:
            command = self.random.choice(self._possible())
            self._one(command)
            found = state(self.site)
            assert found in ("1.0", "2.0"), found
            self.counts[f"found {found}"] += 1
            if self.random.random() < 0.5:
                only_recover(self.site)
                settled(self.site)
                assert state(self.site) in ("1.0", "2.0")
            self._output_is_whole()
        only_recover(self.site)
        settled(self.site)
        return self.counts

    def _possible(self) -> list[Sequence[str]]:
        """What makes sense now."""
        possible: list[Sequence[str]] = [("gc", "--keep", "0"), ("gc", "--keep", "1"), ("apply",)]
        if state(self.site) == "1.0":
            possible += [("install", "2.airlock"), ("update", "up.airdelta"), ("update", "up.airdelta")]
        else:
            possible += [("install", "1.airlock", "--allow-downgrade"), ("rollback",)]
        return possible

    def _one(self, command: Sequence[str]) -> None:
        name = command[0]
        longest = self._takes.get(name, 1.0)
        began = time.monotonic()
        child = self._start(command)
        time.sleep(self.random.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            self.counts["killed"] += 1
            self.counts[f"killed {name}"] += 1
            self._takes[name] = min(_SLOW, longest * 1.1)
        else:
            assert os.waitstatus_to_exitcode(status) in (0, 6), f"{command}: {status}"
            self.counts[f"ended {name}"] += 1
            self._takes[name] = max(_QUICK, min(longest, time.monotonic() - began) * 0.9)

    def _whole(self, *command: str) -> None:
        _, status = os.waitpid(self._start(command), 0)
        assert status == 0, command

    def _start(self, command: Sequence[str]) -> int:
        sys.stdout.flush()
        if child := os.fork():
            return child
        code = 1
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os.chdir(self.versions.folder)
            code = cli.main(self._arguments(command))
        finally:
            os._exit(code)

    def _arguments(self, command: Sequence[str]) -> list[str]:
        if command[0] == "apply":
            return ["apply", "1.airlock", "up.airdelta", "-o", str(self.folder / "out/new.airlock")]
        return [*command, "--root", str(self.root)]

    def _output_is_whole(self) -> None:
        """Of `apply`."""
        output = self.folder / "out/new.airlock"
        if output.exists():
            assert output.read_bytes() == self.versions.path("2.airlock").read_bytes()
