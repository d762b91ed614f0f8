"""The shared libraries that packages bring which the system's own package manager installs."""

from collections.abc import Iterator
from contextlib import suppress

from airlock.errors import IntegrityError
from airlock.kinds.audited import Audited
from airlock.kinds.deb.contents import entries
from airlock.kinds.deb.inspect import members
from airlock.kinds.deb.rows import KIND, is_package, is_unpacked, placed
from airlock.storage.regular import open_regular


def supplied_libraries(audited: Audited) -> frozenset[str]:
    """File names. Of a package with something that only the system takes, those that stand before it."""
    return frozenset(_libraries(audited))


def _libraries(audited: Audited) -> Iterator[str]:
    for entry in audited.index.entries:
        artifact = entry.artifact
        if artifact.kind != KIND or not is_package(artifact) or is_unpacked(artifact):
            continue
        _, folder = placed(artifact)
        with (
            suppress(IntegrityError, FileNotFoundError),
            open_regular(audited.folder / folder / artifact.file) as stream,
        ):
            for one in entries(members(stream, artifact.label), artifact.label):
                name = one.path.rpartition("/")[2]
                if ".so" in name:
                    yield name
