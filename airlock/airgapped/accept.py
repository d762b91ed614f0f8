"""`airlock trust accept`: new versions of a site's roots, carried without a bundle, as when a key was stolen."""

from collections.abc import Mapping

from airlock.airgapped.install import site_errors
from airlock.airgapped.preflight import required_approvals, trusted_root
from airlock.airgapped.record import record
from airlock.airgapped.site import Site, locked
from airlock.airgapped.switch import Surroundings, recover
from airlock.errors import TargetError, UsageError
from airlock.formats.trust_chain import NO_LINKS, Links, TrustedRoot, follow, pinned


def accept(
    site: Site, links: Mapping[str, Links], demanded: Mapping[str, bytes], world: Surroundings
) -> list[str]:
    """Follow the site's roots along `links`, by the names of the roots, and demand the approvals `demanded`, by what
    messages call them. Returns what the site trusts now, a line each. Raises TargetError, UsageError or IntegrityError;
    nothing is pinned then."""
    if site.root_of_trust() is None:
        hint = "the first `airlock install --trust` pins the roots"
        raise TargetError(str(site.root), "trusts nobody yet", hint=hint)
    with site_errors(site), locked(site, "trust accept"):
        recover(site, world)
        anchors = {"": trusted_root(site, None, ""), **required_approvals(site, demanded)}
        for name in sorted(links.keys() - anchors.keys()):
            place = links[name].place(min(links[name].versions))
            raise UsageError(place, f"this site does not ask for approval by {name}")
        newest = {
            name: follow(pinned(data, f"pinned root of {name or 'releases'}"), links.get(name, NO_LINKS))
            for name, data in anchors.items()
        }
        site.pin(newest[""].data, {name: one.data for name, one in newest.items() if name})
        lines = [_sentence(name, one) for name, one in sorted(newest.items())]
        record(site, world, "trust", detail="; ".join(lines))
    return lines


def _sentence(name: str, root: TrustedRoot) -> str:
    retired = ", retired" if root.policy.retired else ""
    return f"{f'approval root of {name}' if name else 'trust root'}: version {root.version}{retired}"
