"""What the lock says of a Debian package, and of the few files that go with all of them."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from airlock.core.artifact import Artifact
from airlock.core.digest import digest_of
from airlock.core.paths import SafePath
from airlock.errors import IntegrityError
from airlock.kinds.deb.packages import Package
from airlock.kinds.deb.section import MODES, PREFIX, DebSection
from airlock.kinds.destination import parse_destination

KIND = "deb"
PACKAGES, RELEASE, KEY, LINKS = "Packages", "InRelease", "archive-key.asc", "Links"
"""Files that go with the packages, by their names; no package has a capital letter or an underscore in its name."""
_CARRIED = frozenset({PACKAGES, RELEASE, KEY, LINKS})


def package_artifact(package: Package, section: DebSection, control: str) -> Artifact:
    """`control` is the stanza of the repository that the package will stand in, empty where there is none."""
    assert package.digest is not None and package.origin is not None, "the far machine lacks it"
    origin = {
        "archive": package.origin.archive,
        "suite": package.origin.suite,
        "path": package.path,
        "release": package.origin.release,
        "released": package.origin.date,
        "index": package.origin.index,
    }
    return Artifact(
        kind=KIND,
        name=package.name,
        version=package.version,
        file=PurePosixPath(package.path).name,
        size=package.size,
        digest=package.digest,
        placement=_placement(section),
        origin=MappingProxyType(origin | ({"control": control} if control else {})),
    )


def text_artifact(name: str, data: bytes, section: DebSection, *, spelt: bool = True) -> Artifact:
    """A file that goes with the packages; the lock has its text where it is `spelt`, else it follows from the rows."""
    return Artifact(
        kind=KIND,
        name=name,
        version="",
        file=name,
        size=len(data),
        digest=digest_of(data),
        placement=_placement(section),
        origin=MappingProxyType({"text": data.decode()} if spelt else {}),
    )


def _placement(section: DebSection) -> Mapping[str, str]:
    return MappingProxyType({"mode": section.mode, "folder": section.destination})


def placed(artifact: Artifact) -> tuple[str, SafePath]:
    """Mode and folder of what a lockfile or index, which are not to be trusted, have. Raises IntegrityError."""
    where = f"{artifact.label}: placement"
    if artifact.placement.keys() != {"mode", "folder"} or artifact.placement["mode"] not in MODES:
        raise IntegrityError(where, f"expected a folder, and mode as one of {', '.join(MODES)}")
    if not artifact.version and artifact.name not in _CARRIED:
        raise IntegrityError(where, "a package without a version")
    destination = parse_destination(artifact.placement["folder"], f"{where}.folder")
    return artifact.placement["mode"], destination


def is_package(artifact: Artifact) -> bool:
    return artifact.kind == KIND and bool(artifact.version)


def is_unpacked(artifact: Artifact) -> bool:
    return is_package(artifact) and artifact.placement.get("mode") == PREFIX
