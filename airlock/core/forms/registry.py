"""The container codecs of this airlock."""

from collections.abc import Iterable
from functools import cache

from airlock.core import codecs as encoders
from airlock.core.artifact import Artifact
from airlock.core.forms.codec import Codec
from airlock.core.lzma_encoder import check_lzma
from airlock.errors import IntegrityError, TargetError


@cache
def codecs() -> tuple[Codec, ...]:
    """In the order in which a content is tried."""
    from airlock.core.forms.ar_container import ArCodec
    from airlock.core.forms.gzip_container import GzipCodec
    from airlock.core.forms.tar_container import TarCodec
    from airlock.core.forms.xz_container import XzCodec
    from airlock.core.forms.zip_container import ZipCodec
    from airlock.core.forms.zlib_container import ZlibCodec
    from airlock.core.forms.zstd_container import ZstdCodec

    return (ZipCodec(), GzipCodec(), TarCodec(), ArCodec(), XzCodec(), ZstdCodec(), ZlibCodec())


def codec_named(name: str, where: str) -> Codec:
    """Raises IntegrityError that names `where`."""
    for codec in codecs():
        if codec.name == name:
            return codec
    known = ", ".join(codec.name for codec in codecs())
    raise IntegrityError(
        where, "unknown container codec", expected=f"one of {known}", found=repr(name), hint="update airlock"
    )


def missing(names: Iterable[str]) -> list[str]:
    """Those codecs and encoders that are not at hand here."""
    return encoders.missing(set(names) - {codec.name for codec in codecs()})


def check_codecs(artifact: Artifact, names: Iterable[str]) -> None:
    """Raises TargetError that names `artifact` where one of the codecs and encoders is not at hand here, or writes other
    bytes."""
    wanted = frozenset(names)
    check_known(artifact, wanted)
    encoders.check(wanted - {codec.name for codec in codecs()}, artifact.label)
    if "lzma/1" in wanted:
        check_lzma("lzma/1:6")
    if "zstd/1.5.7" in wanted:
        from airlock.core.forms.zstd_container import check_zstd

        check_zstd()


def check_known(artifact: Artifact, names: Iterable[str]) -> None:
    """Raises TargetError that names `artifact` where one of the codecs and encoders is not at hand here."""
    wanted = frozenset(names)
    if absent := missing(wanted):
        raise TargetError(
            artifact.label,
            "needs codecs that are not at hand here",
            expected=", ".join(sorted(wanted)),
            found=f"no {', '.join(absent)}",
            hint="install here an airlock that was built with its native crate (README: the far side), update it, or have "
            "the bundle built from a lock that `airlock lock --codecs portable/1` wrote",
        )
