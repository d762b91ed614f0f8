"""Which system and machine an image is for, and which of an index's images a target takes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from airlock.core.target import Target

_PATTERN = re.compile(r"([a-z0-9]+)/([a-z0-9_]+)(?:/([a-z0-9.]+))?")
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "i686": ("386", ""),
    "armv7l": ("arm", "v7"),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}
"""Machines as platform tags name them (PEP 600), and as Go does, which images follow."""
_STANDARD = {"arm64": "v8", "amd64": "v1"}
"""The variant that is meant where none is named."""
_ARM = ("v7", "v6", "v5")
"""Each runs what comes after it."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    def document(self) -> dict[str, str]:
        """As a descriptor has it."""
        table = {"architecture": self.architecture, "os": self.os}
        return table | ({"variant": self.variant} if self.variant else {})

    def rank(self, wanted: "Platform") -> int | None:
        """How well what is made for this platform runs on `wanted`, 0 the best; None where it does not."""
        if (self.os, self.architecture) != (wanted.os, wanted.architecture):
            return None
        mine, other = self._variant(), wanted._variant()
        if mine == other:
            return 0
        if self.architecture == "arm" and mine in _ARM and other in _ARM and mine < other:
            return _ARM.index(mine) - _ARM.index(other)
        return None

    def _variant(self) -> str:
        return self.variant or _STANDARD.get(self.architecture, "v7" if self.architecture == "arm" else "")


def parse_platform(text: str) -> Platform:
    """`linux/arm64/v8`. Raises ValueError."""
    if not (match := _PATTERN.fullmatch(text)):
        raise ValueError(f"expected a platform as linux/amd64 or linux/arm/v7, found {text[:80]!r}")
    os, architecture, variant = match.groups()
    return Platform(os=os, architecture=architecture, variant=variant or "")


def platform_of(target: Target) -> Platform | None:
    """What containers on a target's machine are made for; None for a system that has none of its own."""
    if not target.on.is_linux:
        return None
    architecture, variant = _ARCHITECTURES[target.on.machine]
    return Platform(os="linux", architecture=architecture, variant=variant)


def best(candidates: Iterable[tuple[Platform, T]], wanted: Platform) -> T | None:
    """The first of those that fit best."""
    ranked = [(rank, one) for platform, one in candidates if (rank := platform.rank(wanted)) is not None]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None
