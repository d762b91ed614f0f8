"""One version of each package for all targets, where that is possible.

Targets are resolved one after the other, each inclined to what those before it got. Where a later target cannot have what an
earlier one chose, the earlier ones are asked again whether they can have what the later one did.
"""

from collections.abc import Callable, Collection, Mapping

from packaging.utils import NormalizedName
from packaging.version import Version

from airlock.kinds.wheel.resolve import Pins, Preferred

ROUNDS = 3
"""More than one, for an agreement on one package may open the way to another."""
Resolve = Callable[[str, Preferred], Pins]
"""Resolve for the target of that name."""


def aligned(
    pins: Mapping[str, Pins], resolve: Resolve, movable: Callable[[NormalizedName], bool]
) -> Mapping[str, Pins]:
    """`pins` by target, or others that differ less. Only what is `movable` may be given another version than it has."""
    for _ in range(ROUNDS):
        wish = {name: versions for name, versions in apart(pins).items() if movable(name)}
        if not wish:
            break
        found = {target: resolve(target, _inclined(own, wish)) for target, own in pins.items()}
        if len(apart(found)) >= len(apart(pins)) or _moved(pins, found, movable):
            break
        pins = found
    return pins


def apart(pins: Mapping[str, Pins]) -> dict[NormalizedName, tuple[Version, ...]]:
    """Packages of which targets have different versions, and those, the lowest first: it is the one that most can have."""
    versions: dict[NormalizedName, set[Version]] = {}
    for files in pins.values():
        for name, file in files.items():
            versions.setdefault(name, set()).add(file.version)
    return {name: tuple(sorted(found)) for name, found in sorted(versions.items()) if len(found) > 1}


def _inclined(own: Pins, wish: Preferred) -> Preferred:
    """What the target has stays, but for what the targets should agree on."""
    return {name: (file.version,) for name, file in own.items()} | dict(wish)


def _moved(
    before: Mapping[str, Pins], after: Mapping[str, Pins], movable: Callable[[NormalizedName], bool]
) -> Collection[NormalizedName]:
    """What was to stay, and would not."""
    return [
        name
        for target, pins in before.items()
        for name, file in pins.items()
        if not movable(name) and after[target].get(name, file).version != file.version
    ]
