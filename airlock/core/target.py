"""A target: a Python version on a platform, with its marker environment (PEP 508) and its ordered tags (PEP 425).

Everything is derived from what the manifest says; nothing is asked of the machine that locks.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from airlock.core.platforms import Platform, parse_platform

if TYPE_CHECKING:
    from packaging.tags import Tag

PYTHON_PATTERN = r"3\.[0-9]{1,3}(\.[0-9]{1,3})?t?"
EXACT_MARKERS = ("python_full_version", "platform_release", "platform_version")
"""What a target may state exactly, for it cannot be known from a Python version and a platform."""
FREE_THREADED_SINCE = 13


@dataclass(frozen=True, kw_only=True)
class Target:
    """`python` is `3.11` or `3.11.4`, the lowest patch release that the far machine may have, with a `t` at the end for the
    free-threaded build; `platform` names the C library's or the system's floor, as `manylinux_2_28_x86_64`; `prefix` is the
    absolute root on the far side, or empty for any; `markers` are pairs of a name in `EXACT_MARKERS` and the very value."""

    name: str
    python: str
    platform: str
    prefix: str
    markers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(PYTHON_PATTERN, self.python):
            raise ValueError(f"python {self.python!r} is not supported: write it as 3.11, 3.11.4 or 3.14t")
        if self.free_threaded and self.python_minor[1] < FREE_THREADED_SINCE:
            raise ValueError(f"python {self.python!r} has no free-threaded build: there is one since 3.13")
        parse_platform(self.platform)
        if self.prefix and not self.prefix.startswith("/"):
            raise ValueError(f"prefix {self.prefix!r} must be an absolute path")
        for name, value in self.markers:
            _check_marker(self, name, value)

    @property
    def free_threaded(self) -> bool:
        return self.python.endswith("t")

    @property
    def python_minor(self) -> tuple[int, int]:
        version = Version(self.python.removesuffix("t"))
        return version.major, version.minor

    @cached_property
    def python_full(self) -> Version:
        """The very version where the target states it, else the floor with its patch level, `3.11` being `3.11.0`."""
        if exact := self.exact.get("python_full_version"):
            return Version(exact)
        version = Version(self.python.removesuffix("t"))
        return Version(f"{version.major}.{version.minor}.{version.micro}")

    @cached_property
    def exact(self) -> dict[str, str]:
        return dict(self.markers)

    @cached_property
    def on(self) -> Platform:
        return parse_platform(self.platform)

    @property
    def machine(self) -> str:
        return self.on.machine

    def environment(self) -> dict[str, str]:
        """A copy of the marker environment. Values that cannot be known ahead (`platform_release`, `platform_version`) are empty where
        the target does not state them; `core.markers` tells where that matters."""
        return dict(self._environment)

    @cached_property
    def _environment(self) -> dict[str, str]:
        major, minor = self.python_minor
        return {
            "implementation_name": "cpython",
            "implementation_version": str(self.python_full),
            **self.on.markers(),
            "platform_release": "",
            "platform_version": "",
            "python_full_version": str(self.python_full),
            "platform_python_implementation": "CPython",
            "python_version": f"{major}.{minor}",
        } | self.exact

    @cached_property
    def tags(self) -> "tuple[Tag, ...]":
        """Every tag that the target takes, the best first (PEP 425, 600, 656)."""
        from packaging.tags import compatible_tags, cpython_tags

        platforms = list(self.on.tags())
        major, minor = self.python_minor
        interpreter = f"cp{major}{minor}"
        # Without the ABI, packaging would ask the Python that it runs on.
        abi = interpreter + ("t" if self.free_threaded else "")
        found = dict.fromkeys(cpython_tags((major, minor), [abi], platforms))
        found |= dict.fromkeys(compatible_tags((major, minor), interpreter=interpreter, platforms=platforms))
        return tuple(found)


def _check_marker(target: Target, name: str, value: str) -> None:
    if name not in EXACT_MARKERS:
        raise ValueError(f"{name!r} is decided by python and platform: state only {', '.join(EXACT_MARKERS)}")
    if name != "python_full_version":
        return
    try:
        version = Version(value)
    except InvalidVersion as error:
        raise ValueError(f"python_full_version {value!r} is not a version") from error
    floor = Version(target.python.removesuffix("t"))
    if version.release[:2] != target.python_minor or version < floor:
        raise ValueError(f"python_full_version {value!r} is not a release of python {target.python!r}")
