"""One spelling for a wheel that we built ourselves (binary distribution format, PyPA specification).

Entries sorted, `.dist-info` last and RECORD last of all, stored rather than deflated, so that no zlib's choices matter,
1980-01-01, modes 0644 or 0755, and a RECORD in the order of the entries.
"""

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from airlock.core import damaged
from airlock.core.paths import SafePath, safe_path
from airlock.errors import IntegrityError

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR = 0o100000
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    data: bytes
    executable: bool


def canonical_wheel(data: bytes, where: str = "wheel") -> bytes:
    """The same files in the one spelling; signatures of the old RECORD are left out. Raises IntegrityError that names
    `where` for what is not a wheel."""
    entries = _entries(data, where)
    info = dist_info(entries, where)
    for name in ("RECORD", *_SIGNATURES):
        entries.pop(SafePath(f"{info}/{name}"), None)
    names = sorted(entries, key=lambda name: (name.startswith(f"{info}/"), name.encode()))
    entries[SafePath(f"{info}/RECORD")] = _record(names, entries, f"{info}/RECORD")
    return _zip([*names, SafePath(f"{info}/RECORD")], entries)


def dist_info(names: Mapping[SafePath, object], where: str) -> str:
    """The name of the one `.dist-info` directory. Raises IntegrityError."""
    found = {name.split("/")[0] for name in names if name.split("/")[0].endswith(".dist-info")}
    if len(found) != 1:
        raise IntegrityError(
            where, "expected one .dist-info directory", found=", ".join(sorted(found)) or "none"
        )
    return found.pop()


def read_metadata(data: bytes, where: str) -> str:
    """The text of a wheel's METADATA. Raises IntegrityError."""
    entries = _entries(data, where)
    if (entry := entries.get(SafePath(f"{dist_info(entries, where)}/METADATA"))) is None:
        raise IntegrityError(where, "no METADATA")
    return entry.data.decode()


def _entries(data: bytes, where: str) -> dict[SafePath, _Entry]:
    entries: dict[SafePath, _Entry] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                path = safe_path(info.filename, f"{where}: {info.filename!r}")
                if path in entries:
                    raise IntegrityError(f"{where}: {path}", "stands twice in the archive")
                executable = bool(info.external_attr >> 16 & 0o100)
                entries[path] = _Entry(data=archive.read(info), executable=executable)
    except (*damaged.ZIP, OSError) as error:
        raise IntegrityError(where, f"not a zip archive, {error}") from error
    return entries


def _record(names: list[SafePath], entries: Mapping[SafePath, _Entry], record: str) -> _Entry:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name in names:
        data = entries[name].data
        hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        writer.writerow((name, f"sha256={hashed}", len(data)))
    writer.writerow((record, "", ""))
    return _Entry(data=text.getvalue().encode(), executable=False)


def _zip(names: list[SafePath], entries: Mapping[SafePath, _Entry]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = _UNIX
            info.external_attr = (_REGULAR | (0o755 if entries[name].executable else 0o644)) << 16
            archive.writestr(info, entries[name].data)
    return out.getvalue()
