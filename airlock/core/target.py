"""A target: a Python version on a platform, with its marker environment (PEP 508) and its ordered tags (PEP 425).

Everything is derived from what the manifest says; nothing is asked of the machine that locks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import Version

_PLATFORM = re.compile(r"(manylinux|musllinux)_([0-9]{1,2})_([0-9]{1,3})_(x86_64|aarch64)")
_PYTHON = re.compile(r"3\.([0-9]{1,3})(\.[0-9]{1,3})?")
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True, kw_only=True)
class Target:
    """`python` is `3.11` or `3.11.4`, the lowest patch release that the far machine may have; `platform` names the C
    library floor, as `manylinux_2_28_x86_64`; `prefix` is the absolute root on the far side, or empty for any."""

    name: str
    python: str
    platform: str
    prefix: str

    def __post_init__(self) -> None:
        if not _PYTHON.fullmatch(self.python):
            raise ValueError(f"python {self.python!r} is not supported: write it as 3.11 or 3.11.4")
        if not _PLATFORM.fullmatch(self.platform):
            raise ValueError(
                f"platform {self.platform!r} is not supported: write it as manylinux_2_28_x86_64, "
                "musllinux_1_2_x86_64 or the same with aarch64"
            )
        if self.prefix and not self.prefix.startswith("/"):
            raise ValueError(f"prefix {self.prefix!r} must be an absolute path")

    @property
    def python_minor(self) -> tuple[int, int]:
        version = Version(self.python)
        return version.major, version.minor

    @cached_property
    def python_full(self) -> Version:
        """The floor with its patch level, `3.11` being `3.11.0`."""
        version = Version(self.python)
        return Version(f"{version.major}.{version.minor}.{version.micro}")

    @cached_property
    def libc(self) -> tuple[str, int, int]:
        """`("glibc" or "musl", major, minor)`, the floor."""
        family, major, minor, _ = self._parts
        return ("glibc" if family == "manylinux" else "musl"), int(major), int(minor)

    @cached_property
    def machine(self) -> str:
        return self._parts[3]

    @property
    def _parts(self) -> tuple[str, str, str, str]:
        match = _PLATFORM.fullmatch(self.platform)
        assert match is not None, "checked in __post_init__"
        family, major, minor, machine = match.groups()
        return family, major, minor, machine

    def environment(self) -> dict[str, str]:
        """The marker environment. Values that cannot be known ahead (`platform_release`, `platform_version`) are empty."""
        major, minor = self.python_minor
        return {
            "implementation_name": "cpython",
            "implementation_version": str(self.python_full),
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": str(self.python_full),
            "platform_python_implementation": "CPython",
            "python_version": f"{major}.{minor}",
            "sys_platform": "linux",
        }

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """Every tag that the target takes, the best first (PEP 425, 600, 656)."""
        platforms = list(self._platform_tags())
        major, minor = self.python_minor
        found = dict.fromkeys(cpython_tags((major, minor), platforms=platforms))
        found |= dict.fromkeys(
            compatible_tags((major, minor), interpreter=f"cp{major}{minor}", platforms=platforms)
        )
        return tuple(found)

    def _platform_tags(self) -> Iterator[str]:
        family, major, floor, machine = self._parts
        lowest = 0 if family == "musllinux" else (5 if machine == "x86_64" else 17)
        for minor in range(int(floor), lowest - 1, -1):
            yield f"{family}_{major}_{minor}_{machine}"
            if family == "manylinux" and minor in _LEGACY and (machine == "x86_64" or minor == 17):
                yield f"{_LEGACY[minor]}_{machine}"
        yield f"linux_{machine}"
