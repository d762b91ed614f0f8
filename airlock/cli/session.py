"""What a command gets from the world: directories, the clock, and somewhere to report to."""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airlock.core.reporter import Reporter, Silent
from airlock.errors import UsageError

if TYPE_CHECKING:
    from typing import Unpack

    from airlock.formats.journal import Facts

_LAST = 253_402_300_799
"""Seconds: the end of the year 9999."""
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    cache: Path
    """The near side's store, frames and HTTP cache: `AIRLOCK_CACHE`, else the user's cache directory."""
    environment: Mapping[str, str]
    reporter: Reporter

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, quiet: bool) -> "Session":
        return cls(cache=_cache(environment), environment=environment, reporter=_reporter(quiet))

    def now_in_milliseconds(self) -> int:
        """As `now`, finer, so that two bundles signed one after the other differ."""
        return self.now() * 1000 if self.environment.get("SOURCE_DATE_EPOCH") else time.time_ns() // 1_000_000

    def now(self) -> int:
        """Seconds since the epoch; `SOURCE_DATE_EPOCH` stands in for the clock where it is set."""
        fixed = self.environment.get("SOURCE_DATE_EPOCH")
        if not fixed:
            return int(time.time())
        if not (fixed.isascii() and fixed.isdigit()) or int(fixed[:_DIGITS]) > _LAST or len(fixed) > _DIGITS:
            raise UsageError(
                "SOURCE_DATE_EPOCH",
                "not a time",
                expected=f"seconds from 0 to {_LAST}",
                found=repr(fixed[:40]),
            )
        return int(fixed)

    def user(self) -> str:
        """Who is at the machine, as far as it tells."""
        import pwd

        number = os.getuid()
        try:
            name = pwd.getpwuid(number).pw_name
        except KeyError:
            name = str(number)
        behind = self.environment.get("SUDO_USER")
        return f"{name} (sudo by {behind})" if behind and not number else name

    def record(self, beside: Path, act: str, **facts: "Unpack[Facts]") -> None:
        """Tell the near side's journal: `AIRLOCK_JOURNAL`, else the one in the folder of the file `beside` that the act
        was about. What cannot be written is warned of, for the act itself is done."""
        from airlock.errors import AirlockError
        from airlock.formats.journal import NAME, Act
        from airlock.storage.journal import append

        named = self.environment.get("AIRLOCK_JOURNAL")
        path = Path(named) if named else beside.absolute().parent / NAME
        given: Facts = {"outcome": "done", "file": beside.name, **facts}
        try:
            append(path, Act(act=act, time=self.now(), user=self.user(), **given))
        except (OSError, AirlockError) as error:
            self.reporter.warn(f"this could not be written to the journal {path}: {error}")


def _cache(environment: Mapping[str, str]) -> Path:
    if named := environment.get("AIRLOCK_CACHE"):
        return Path(named).absolute()
    from platformdirs import user_cache_path

    return user_cache_path("airlock")


def _reporter(quiet: bool) -> Reporter:
    if quiet:
        return Silent()
    from airlock.cli.progress import Console

    return Console(sys.stderr)


def print_json(document: Any) -> None:
    """A command's answer for a program, on stdout."""
    print(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
