"""Which versions are candidates under what is asked of a project."""

from collections.abc import Callable, Mapping

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from airlock.kinds.wheel.dead_ends import names_prerelease, pins
from airlock.kinds.wheel.releases import Releases, standing
from airlock.kinds.wheel.rules import IF_NECESSARY

Specifiers = Mapping[str, SpecifierSet]
"""By their text."""


def admitted(
    files: Releases,
    specifiers: Specifiers,
    admits: Callable[[str, SpecifierSet, Version], bool],
    prereleases: str = IF_NECESSARY,
) -> list[Version]:
    """The versions of `files`, in its order, that are candidates. A yanked one only for an exact pin (PEP 592); a
    pre-release as the policy in `prereleases` says, without one only where one is named, or nothing else is left (PEP 440)."""
    exact = any(pins(one) for specifier in specifiers.values() for one in specifier)
    found = list(files) if exact else standing(files)
    for text, specifier in specifiers.items():
        found = [version for version in found if admits(text, specifier, version)]
    named = prereleases != "never" and any(map(names_prerelease, specifiers.values()))
    if named or prereleases == "allow":
        return found
    final = [version for version in found if not version.is_prerelease]
    return final or (found if prereleases == IF_NECESSARY else [])
