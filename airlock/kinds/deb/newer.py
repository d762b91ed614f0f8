"""Which locked packages an archive has newer by now: what `airlock lock --upgrade` would come to, beside the lock."""

from collections import defaultdict
from collections.abc import Iterator

from airlock.kinds import Locked, NearSide, Newer, PinRequest, Upgrade
from airlock.kinds.deb.offer import Offer
from airlock.kinds.deb.pin import resolved
from airlock.kinds.deb.rows import is_package
from airlock.kinds.deb.section import read_sections


def newer(locked: Locked, near: NearSide) -> tuple[Newer, ...]:
    """See `Watches.newer`."""
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for target, name, before, after in _moved(locked, near):
        found[name, before, after].append(target)
    return tuple(
        Newer(
            name=name, locked=before, targets=tuple(sorted(targets)), allowed=after, newest=after, yanked=None
        )
        for (name, before, after), targets in sorted(found.items())
    )


def _moved(locked: Locked, near: NearSide) -> Iterator[tuple[str, str, str, str]]:
    """Target, name, version then and version now."""
    if (manifest := locked.manifest) is None:
        return
    upgrade = Upgrade(everything=True)
    request = PinRequest(
        manifest=manifest, where=locked.manifest_name, near=near, previous=locked.lockfile, upgrade=upgrade
    )
    offer = Offer(request)
    for section in read_sections(manifest, locked.manifest_name):
        for declared in manifest.targets:
            if (target := declared.target).name in section.targets:
                now = {package.name: package.version for package in resolved(section, target, offer)}
                for one in filter(is_package, locked.lockfile.artifacts_for(target.name)):
                    if (after := now.get(one.name, one.version)) != one.version:
                        yield target.name, one.name, one.version, after
