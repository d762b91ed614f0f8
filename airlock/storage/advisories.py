"""A database of advisories in a file: one record, several, or a zip of records, read one at a time."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airlock.core import damaged
from airlock.core.digest import digest_of_stream
from airlock.errors import IntegrityError
from airlock.formats.findings import Advisories
from airlock.formats.osv import Advisory, parse_advisories

MAX_RECORD = 16 << 20
"""Bytes."""
MAX_RECORDS = 1_000_000


class Database:
    """Counts what it gives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = 0
        self.modified = ""

    def advisories(self) -> Iterator[Advisory]:
        """Raises IntegrityError for what is no such database, and OSError."""
        for data, where in self._parts():
            for one in parse_advisories(data, where):
                self.records += 1
                self.modified = max(self.modified, one.modified)
                yield one
        if not self.records:
            raise IntegrityError(
                str(self.path), "no advisory in it", expected="an OSV record, or a zip of records"
            )

    def told(self) -> Advisories:
        """What a report says of it, once all was read. The date is that of its newest record."""
        with self.path.open("rb") as stream:
            digest, _ = digest_of_stream(stream)
        return Advisories(file=self.path.name, digest=digest, modified=self.modified, records=self.records)

    def _parts(self) -> Iterator[tuple[bytes, str]]:
        if not zipfile.is_zipfile(self.path):
            with self.path.open("rb") as stream:
                yield _limited(stream.read(MAX_RECORD + 1), str(self.path)), str(self.path)
            return
        with _opened(self.path) as archive:
            names = [info for info in archive.infolist() if info.filename.endswith(".json")]
            if len(names) > MAX_RECORDS:
                raise IntegrityError(str(self.path), "too many records", expected=f"at most {MAX_RECORDS}")
            for info in names:
                where = f"{self.path}: {info.filename[:200]!r}"
                with archive.open(info) as member:
                    yield _limited(member.read(MAX_RECORD + 1), where), where


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Raises IntegrityError where it is damaged, also where what is read of it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except damaged.ZIP as error:
        raise IntegrityError(str(path), f"a damaged zip, {error}", hint="carry it over again") from error


def _limited(data: bytes, where: str) -> bytes:
    if len(data) > MAX_RECORD:
        raise IntegrityError(where, "too large", expected=f"at most {MAX_RECORD} bytes")
    return data
