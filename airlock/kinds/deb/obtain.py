"""Bring a locked package into the store: from wherever an archive has it today."""

from urllib.parse import quote

from airlock.core.artifact import Artifact
from airlock.errors import FetchError, IntegrityError
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide
from airlock.kinds.deb.archive import pool_path
from airlock.kinds.deb.offer import locations
from airlock.kinds.deb.repository import listing_of
from airlock.kinds.deb.rows import PACKAGES, is_package, is_unpacked
from airlock.kinds.download import download

_GONE = (
    "archives keep old versions on snapshots only: declare one as [[index]] with explicit = true, or let it move with"
    " `airlock lock -P {name}`"
)


def obtain(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
    """See `Kind.obtain`. Without a manifest only apt's archives are known."""
    if artifact.digest in near.store:
        return
    if is_package(artifact):
        _fetch(artifact, manifest, near)
        if is_unpacked(artifact):
            from airlock.kinds.deb.inspect import check_stored

            check_stored(artifact, near)
    elif artifact.name == PACKAGES:
        near.store.put([listing_of(artifact, near.locked)], artifact.digest, artifact.label)
    elif (text := artifact.origin.get("text")) is not None:
        near.store.put([text.encode()], artifact.digest, f"{artifact.label}: origin.text")
    else:
        raise IntegrityError(f"{artifact.label}: origin", "no text")


def _fetch(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
    path = pool_path(artifact.origin.get("path", ""), f"{artifact.label}: origin.path")
    # A colon of a version is `%3a` in a file's very name, so that the address has `%253a`.
    spelt = quote(path, safe="/+:@,=")
    faults: list[FetchError] = []
    for url in locations(artifact.origin.get("archive", ""), manifest, near):
        try:
            download(f"{url}/{spelt}", artifact, near)
            return
        except FetchError as error:
            faults.append(error)
    if not faults:
        what = f"the archive {artifact.origin.get('archive')!r} is declared nowhere"
        raise FetchError(artifact.label, what, hint="as [[index]] with explicit = true, beside the lock")
    raise FetchError(
        artifact.label,
        "no archive has it any more, or none can be reached",
        found="; ".join(dict.fromkeys(str(fault) for fault in faults)),
        hint=_GONE.format(name=artifact.name),
    ) from faults[-1]
