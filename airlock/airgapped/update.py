"""`airlock update`: restore the new bundle from a delta and the site's own frames, then verify and install it.

A delta is not trusted: what it restores goes through the same `verify` and `install` as a bundle that was carried over.
Its signatures are looked at first all the same, so that a foreign delta ends before any work is done.
"""

from dataclasses import dataclass
from typing import BinaryIO, Protocol

from airlock.airgapped.install import (
    Choices,
    Outcome,
    install_locked,
    site_errors,
)
from airlock.airgapped.preflight import check_site
from airlock.airgapped.site import STATE, Site, locked
from airlock.airgapped.switch import Surroundings, recover
from airlock.airgapped.verify import SignedIndex, verify, verify_index
from airlock.core.digest import Digest
from airlock.errors import TargetError
from airlock.formats.generation import Generation
from airlock.storage.archive import Archive
from airlock.storage.scratch import scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFrames:
    """The bundle that is in use at a site, as the base of a delta (`apply`'s FrameSource)."""

    site: Site
    index: Digest
    """Of its `index.json`, which says which base this is."""

    @property
    def where(self) -> str:
        """For messages."""
        return str(self.site.root)

    def open(self, expanded: Digest) -> BinaryIO:
        """The zstd frame of an expanded form; the reader checks its content. Raises IntegrityError where it is absent."""
        return self.site.open_frame(expanded)


class Restore(Protocol):
    def __call__(self, base: SiteFrames, archive: Archive, out: BinaryIO) -> object:
        """Write the new bundle. Raises IntegrityError where the base is not the one that the delta was made for."""


def update(
    delta: Archive,
    root: bytes,
    site: Site,
    restore: Restore,
    choices: Choices,
    world: Surroundings,
) -> Outcome:
    """Restore, verify, install, switch, check. Raises as `install` does; what was in use is then still, or again, in
    use."""
    if not site.current():
        raise _nothing_to_update(site)
    signed = verify_index(delta, root, world.now)
    with site_errors(site), locked(site, "update"):
        recover(site, world)
        if (current := site.current_generation()) is None:
            raise _nothing_to_update(site)
        if current.index == signed.digest:
            return _already(current)
        check_site(site, signed, choices.allow_downgrade)
        base = SiteFrames(site=site, index=current.index)
        return _restored(delta, signed, base, restore, choices, world)


def _already(current: Generation) -> Outcome:
    return Outcome(before=current.number, after=current.number, version=current.version, index=current.index)


def _restored(
    delta: Archive,
    signed: SignedIndex,
    base: SiteFrames,
    restore: Restore,
    choices: Choices,
    world: Surroundings,
) -> Outcome:
    site = base.site
    with scratch(site.path(STATE)) as file:
        world.reporter.note("restoring the bundle")
        restore(base, delta, file.stream)
        file.stream.flush()
        archive = Archive(file.stream, f"bundle restored from {delta.where}")
        bundle = verify(archive, signed.anchor, world.now, file.reopen)
        for warning in bundle.signed.warnings:
            world.reporter.warn(warning)
        return install_locked("update", bundle, site, choices, world)


def _nothing_to_update(site: Site) -> TargetError:
    hint = "install the whole bundle first; later ones may come as deltas"
    return TargetError(str(site.root), "nothing is installed here", hint=hint)
