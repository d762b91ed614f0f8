"""What a target's platform promises besides the kernel: shared libraries, the versions of their symbols, and loaders.

Sources: PEP 513, 571, 599 and 600 (manylinux), PEP 656 (musllinux), the ABI history in the documentation of libstdc++, and the
x86-64, AArch64 and other ABI supplements for the names of loaders.
"""

from collections.abc import Mapping

from airlock.core.platforms import Platform

_C_LIBRARY = (
    *(
        "libc.so.6",
        "libm.so.6",
        "libdl.so.2",
        "librt.so.1",
        "libpthread.so.0",
        "libutil.so.1",
        "libresolv.so.2",
    ),
    *("libnsl.so.1", "libanl.so.1", "libmvec.so.1", "libgcc_s.so.1", "libstdc++.so.6", "libatomic.so.1"),
)
_DESKTOP = (
    *("libX11.so.6", "libXext.so.6", "libXrender.so.1", "libICE.so.6", "libSM.so.6", "libGL.so.1"),
    *("libgobject-2.0.so.0", "libgthread-2.0.so.0", "libglib-2.0.so.0", "libz.so.1", "libexpat.so.1"),
)
LOADERS: Mapping[str, tuple[str, ...]] = {
    "x86_64": ("/lib64/ld-linux-x86-64.so.2",),
    "aarch64": ("/lib/ld-linux-aarch64.so.1",),
    "i686": ("/lib/ld-linux.so.2",),
    "armv7l": ("/lib/ld-linux-armhf.so.3",),
    "ppc64le": ("/lib64/ld64.so.2",),
    "s390x": ("/lib/ld64.so.1",),
    "riscv64": ("/lib/ld-linux-riscv64-lp64d.so.1",),
}
MACHINES: Mapping[str, str] = {
    "x86_64": "EM_X86_64",
    "aarch64": "EM_AARCH64",
    "i686": "EM_386",
    "armv7l": "EM_ARM",
    "ppc64le": "EM_PPC64",
    "s390x": "EM_S390",
    "riscv64": "EM_RISCV",
}
"""As ELF headers have them."""
_LIBSTDCXX = (
    ((2, 5), (3, 4, 8)),
    ((2, 12), (3, 4, 13)),
    ((2, 17), (3, 4, 19)),
    ((2, 24), (3, 4, 22)),
    ((2, 26), (3, 4, 24)),
    ((2, 28), (3, 4, 25)),
    ((2, 31), (3, 4, 28)),
    ((2, 34), (3, 4, 29)),
    ((2, 35), (3, 4, 30)),
    ((2, 38), (3, 4, 32)),
    ((2, 39), (3, 4, 33)),
)
"""From which C library on, the newest `GLIBCXX` of the distributions that have it."""


def base_libraries(platform: Platform) -> frozenset[str]:
    """File names of the shared libraries that every machine of a Linux platform has; empty for other systems."""
    loaders = {path.rpartition("/")[2] for path in LOADERS.get(platform.machine, ())}
    match platform.family:
        case "manylinux":
            return frozenset({*_C_LIBRARY, *_DESKTOP, *loaders})
        case "musllinux":
            machine = platform.machine
            return frozenset({"libc.so", f"libc.musl-{machine}.so.1", f"ld-musl-{machine}.so.1"})
    return frozenset()


def loaders(platform: Platform) -> tuple[str, ...]:
    """Paths of the program that starts others."""
    if platform.family == "musllinux":
        return (f"/lib/ld-musl-{platform.machine}.so.1",)
    return LOADERS.get(platform.machine, ())


def too_new(platform: Platform, symbol_version: str) -> bool:
    """Whether a platform does not promise a version of symbols, as `GLIBC_2.34` or `GLIBCXX_3.4.29`."""
    name, _, number = symbol_version.partition("_")
    try:
        version = tuple(int(part) for part in number.split("."))
    except ValueError:
        return False
    if platform.family != "manylinux":
        return False
    if name == "GLIBC":
        return version[:2] > platform.floor
    if name == "GLIBCXX":
        promised = [newest for floor, newest in _LIBSTDCXX if floor <= platform.floor]
        return bool(promised) and version > promised[-1]
    return False
