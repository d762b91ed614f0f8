"""`airlock update`: install the new version out of a delta and the site's own frames.

A delta carries the signed index of the bundle that it makes. Its signatures are checked first, so that a foreign delta ends
before any work is done; then each artifact is restored, its digest compared with the index, and installed, in the one pass
that `install` makes over a bundle.
"""

from dataclasses import dataclass
from typing import BinaryIO, Protocol

from airlock.airgapped.install import (
    Choices,
    Outcome,
    already,
    install_locked,
    site_errors,
)
from airlock.airgapped.preflight import check_site
from airlock.airgapped.site import Site, locked
from airlock.airgapped.switch import Surroundings, recover
from airlock.airgapped.verify import restored, verify_index
from airlock.core.digest import Digest
from airlock.errors import TargetError
from airlock.storage.archive import Archive
from airlock.storage.content import Supply


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
    def __call__(self, base: SiteFrames, archive: Archive) -> Supply:
        """What makes the new contents. Raises IntegrityError where the base is not the one that the delta was made for."""


def update(
    delta: Archive,
    root: bytes,
    site: Site,
    restore: Restore,
    choices: Choices,
    world: Surroundings,
) -> Outcome:
    """Restore, check, install, switch, judge. Raises as `install` does; what was in use is then still, or again, in
    use."""
    if not site.current():
        raise _nothing_to_update(site)
    signed = verify_index(delta, root, world.now, choices.approvals)
    with site_errors(site), locked(site, "update"):
        recover(site, world)
        if (current := site.current_generation()) is None:
            raise _nothing_to_update(site)
        check_site(site, signed, choices.allow_downgrade)
        if current.index == signed.digest:
            return already(site, signed, current, world)
        for warning in signed.warnings:
            world.reporter.warn(warning)
        supply = restore(SiteFrames(site=site, index=current.index), delta)
        return install_locked("update", restored(signed, supply), site, choices, world)


def _nothing_to_update(site: Site) -> TargetError:
    hint = "install the whole bundle first; later ones may come as deltas"
    return TargetError(str(site.root), "nothing is installed here", hint=hint)
