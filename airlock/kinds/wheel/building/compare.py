"""In what two wheels of one source differ."""

import io
import zipfile

SHOWN = 8
"""Names of members that a message shows."""


def differing_members(one: bytes, other: bytes) -> tuple[str, ...]:
    """Names of files that only one has, or that have other bytes or another mode, sorted; RECORD follows from them."""
    first, second = _members(one), _members(other)
    return tuple(
        name
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name) and not name.endswith(".dist-info/RECORD")
    )


def _members(data: bytes) -> dict[str, tuple[int, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: (info.external_attr, archive.read(info)) for info in archive.infolist()}


def shown(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
