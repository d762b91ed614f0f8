"""What a platform is called in a manifest, in the tags of wheels (PEP 425, 600, 656), and in markers (PEP 508).

Pure: the platform of this machine has no say in it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LINUX = ("x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x", "riscv64")
"""Machines; for `armv7l` manylinux means the hard-float ABI."""
PATTERN = (
    rf"(manylinux|musllinux)_[0-9]{{1,2}}_[0-9]{{1,3}}_({'|'.join(LINUX)})"
    r"|macosx_[0-9]{1,2}_[0-9]{1,2}_(x86_64|arm64)|win_(amd64|arm64)|win32"
)
_FLOORED = re.compile(r"(manylinux|musllinux|macosx)_(\d+)_(\d+)_(\w+)")
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_INTEL = ("x86_64", "i686")
_WINDOWS = {"win_amd64": "AMD64", "win_arm64": "ARM64", "win32": "x86"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """`family` is `manylinux`, `musllinux`, `macosx` or `win`; `floor` the lowest version of the C library or of macOS,
    `(0, 0)` for Windows; `machine` as in tags."""

    family: str
    floor: tuple[int, int]
    machine: str

    @property
    def is_linux(self) -> bool:
        return self.family in ("manylinux", "musllinux")

    def tags(self) -> Iterator[str]:
        """Every platform tag that it takes, the best first, in the order of `packaging.tags`."""
        match self.family:
            case "win":
                yield "win32" if self.machine == "x86" else f"win_{self.machine.lower()}"
            case "macosx":
                from packaging.tags import mac_platforms

                yield from mac_platforms(self.floor, self.machine)
            case "musllinux":
                major, floor = self.floor
                yield f"linux_{self.machine}"
                yield from (f"musllinux_{major}_{minor}_{self.machine}" for minor in range(floor, -1, -1))
            case _:
                yield f"linux_{self.machine}"
                yield from self._manylinux()

    def _manylinux(self) -> Iterator[str]:
        major, floor = self.floor
        for minor in range(floor, (5 if self.machine in _INTEL else 17) - 1, -1):
            yield f"manylinux_{major}_{minor}_{self.machine}"
            if minor in _LEGACY:
                yield f"{_LEGACY[minor]}_{self.machine}"

    def markers(self) -> dict[str, str]:
        """The part of the marker environment that the platform decides."""
        match self.family:
            case "win":
                system, os_name, sys_platform = "Windows", "nt", "win32"
            case "macosx":
                system, os_name, sys_platform = "Darwin", "posix", "darwin"
            case _:
                system, os_name, sys_platform = "Linux", "posix", "linux"
        return {
            "os_name": os_name,
            "platform_machine": self.machine,
            "platform_system": system,
            "sys_platform": sys_platform,
        }


def parse_platform(text: str) -> Platform:
    """Raises ValueError."""
    if not re.fullmatch(PATTERN, text):
        raise ValueError(
            f"platform {text!r} is not supported: write it as manylinux_2_28_x86_64, musllinux_1_2_aarch64 "
            f"(or with {', '.join(LINUX[2:])}), macosx_11_0_arm64, macosx_10_13_x86_64, win_amd64 or win_arm64"
        )
    if text in _WINDOWS:
        return Platform(family="win", floor=(0, 0), machine=_WINDOWS[text])
    match = _FLOORED.fullmatch(text)
    assert match is not None, "the pattern above says so"
    family, major, minor, machine = match.groups()
    return Platform(family=family, floor=(int(major), int(minor)), machine=machine)
