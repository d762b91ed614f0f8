"""Which encoders of compressed streams an expanded form may rest on, as sets with versioned names.

A lockfile pins a set, so that a form does not depend on whether the machine that makes it has the native crate.
"""

from collections.abc import Iterable

from airlock.core.deflate import check_zlib
from airlock.core.native import native
from airlock.errors import TargetError

PORTABLE = "portable/1"
NATIVE = "native/2"
"""What the crate of this airlock has."""

_EVERYWHERE = frozenset({"zlib/1", "lzma/1", "zstd/1.5.7"})
_NATIVE_1 = frozenset({"zlib-rs/1", "miniz/1", "tokens/1"})
_NATIVE_CRATE = _NATIVE_1 | {"go/1", "pgzip/1", "pgzip/2"}

SETS = {PORTABLE: _EVERYWHERE, "native/1": _EVERYWHERE | _NATIVE_1, NATIVE: _EVERYWHERE | _NATIVE_CRATE}
"""The names of a set's encoders, without their parameters."""


def best_set() -> str:
    """The largest set that this machine has."""
    return PORTABLE if native() is None else NATIVE


def missing(names: Iterable[str]) -> list[str]:
    """Those of the encoders that are not at hand here, sorted."""
    here = SETS[best_set()]
    return sorted(set(names) - here)


def check(names: Iterable[str], where: str) -> None:
    """Raises TargetError that names `where` for encoders that are not at hand here, or write other bytes than theirs."""
    from airlock.core.deflate_encoders import check_native

    wanted = frozenset(names)
    if absent := missing(wanted):
        raise TargetError(
            where,
            "needs encoders that are not at hand here",
            expected=", ".join(sorted(wanted)),
            found=f"no {', '.join(absent)}",
            hint="install airlock where cargo (1.85 or newer) is on PATH, so that its native crate is built; "
            f"or lock with --codecs {PORTABLE}",
        )
    if "zlib/1" in wanted:
        check_zlib()
    for name in sorted(wanted & _NATIVE_CRATE):
        check_native(name)
