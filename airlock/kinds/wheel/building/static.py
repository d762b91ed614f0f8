"""What a source distribution says of itself without any of its code being run (PEP 643)."""

import tarfile
import zipfile
from typing import BinaryIO

from packaging.metadata import parse_email

from airlock.core import damaged
from airlock.kinds.wheel.remote import MAX_METADATA

_STATIC_SINCE = (2, 2)
_MATTER = frozenset(("name", "version", "requires-dist", "requires-python", "provides-extra"))


def static_metadata(stream: BinaryIO, file: str) -> bytes | None:
    """The content of PKG-INFO where it can be relied on: Metadata-Version 2.2 or later, and nothing that matters is
    Dynamic. None else."""
    try:
        data = (_from_zip if file.endswith(".zip") else _from_tar)(stream)
    except (tarfile.TarError, *damaged.ZIP, OSError):
        return None  # whatever is wrong with it is told when it is unpacked
    return data if data is not None and _reliable(data) else None


def _from_tar(stream: BinaryIO) -> bytes | None:
    with tarfile.open(fileobj=stream, mode="r:*") as archive:
        for member in archive:
            if _is_pkg_info(member.name) and member.isreg() and member.size <= MAX_METADATA:
                content = archive.extractfile(member)
                return content.read() if content else None
    return None


def _from_zip(stream: BinaryIO) -> bytes | None:
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            if _is_pkg_info(member.filename) and member.file_size <= MAX_METADATA:
                return archive.read(member)
    return None


def _is_pkg_info(name: str) -> bool:
    parts = name.removeprefix("./").split("/")
    return len(parts) == 2 and parts[1] == "PKG-INFO"


def _reliable(data: bytes) -> bool:
    raw, _ = parse_email(data.replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n\n")
    parts = raw.get("metadata_version", "").split(".")
    if not all(part.isdecimal() and len(part) < 4 for part in parts):
        return False
    dynamic = {name.lower() for name in raw.get("dynamic", [])}
    return tuple(map(int, parts)) >= _STATIC_SINCE and not dynamic & _MATTER
