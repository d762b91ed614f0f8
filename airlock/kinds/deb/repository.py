"""The repository of the mode `system`: a flat archive of the carried packages that stock apt installs from.

Its index is made of the very stanzas that were resolved with, its Release is signed while locking, and both are pinned: on the
far side nothing is computed, and whoever signed the bundle signed the repository with it. docs/adr/0018-debs.md says why the
key is the user's own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from airlock.core.artifact import Artifact, Project
from airlock.core.digest import hex_of
from airlock.core.target import Target
from airlock.errors import IntegrityError
from airlock.formats.lockfile import LockedArtifact
from airlock.kinds import PinRequest
from airlock.kinds.deb.control import MAX_FIELD
from airlock.kinds.deb.packages import Package
from airlock.kinds.deb.rows import KEY, KIND, PACKAGES, RELEASE, is_package, text_artifact
from airlock.kinds.deb.section import DebSection
from airlock.kinds.deb.signing import public_key, signed

_OF_THE_ARCHIVE = frozenset({"filename", "size", "md5sum", "sha1", "sha256", "sha512", "description-md5"})
"""Fields that say where the archive has the file, and what goes with its translations."""
_FIELD = re.compile(r"([^:\s]+):")


def stanza_of(package: Package) -> str:
    """What the package says of itself, as the archive has it."""
    kept: list[str] = []
    keep = True
    for line in package.control.split("\n"):
        if match := _FIELD.match(line):
            keep = match[1].lower() not in _OF_THE_ARCHIVE
        if keep:
            kept.append(line)
    return "\n".join(kept)


def listing(artifacts: Sequence[Artifact]) -> bytes:
    """The index of a repository that has these packages side by side. Raises IntegrityError."""
    return "\n".join(_stanza(artifact) for artifact in sorted(artifacts, key=lambda one: one.name)).encode()


def _stanza(artifact: Artifact) -> str:
    control = artifact.origin.get("control", "")
    if not control or "\n\n" in control or len(control) > MAX_FIELD:
        raise IntegrityError(f"{artifact.label}: origin.control", "not the stanza of a package")
    return (
        f"{control}\nFilename: ./{artifact.file}\nSize: {artifact.size}\nSHA256: {hex_of(artifact.digest)}\n"
    )


def listing_of(index: Artifact, locked: Sequence[LockedArtifact]) -> bytes:
    """The content of an index, out of the rows of the lock that it stands in. Raises IntegrityError."""
    for row in locked:
        if row.artifact == index:
            alike = (
                one for one in locked if is_package(one.artifact) and set(row.targets) <= set(one.targets)
            )
            return listing([one.artifact for one in alike])
    raise IntegrityError(index.label, "does not stand in the lock that it is made of")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    section: DebSection
    architecture: str
    project: Project
    target: Target

    def artifacts(
        self, packages: Sequence[Artifact], date: datetime, request: PinRequest
    ) -> Iterator[Artifact]:
        """The files that make a repository of the packages. Raises FetchError where the key to sign with is not at hand."""
        near, fingerprint = request.near, self.section.sign_with
        assert fingerprint is not None, "the section has it in this mode"
        data = listing(packages)
        index = text_artifact(PACKAGES, data, self.section, spelt=False)
        near.store.put([data], index.digest)
        key, release = self._before(index, request) or self._made(index, date, fingerprint)
        yield index
        for name, text in ((KEY, key), (RELEASE, release)):
            artifact = text_artifact(name, text.encode(), self.section)
            near.store.put([text.encode()], artifact.digest)
            yield artifact

    def _before(self, index: Artifact, request: PinRequest) -> tuple[str, str] | None:
        """The key and the Release of the lock before, where they are of the very same index and signer."""
        previous = request.previous.artifacts_for(self.target.name) if request.previous else ()
        ours = {one.name: one for one in previous if one.kind == KIND and not one.version}
        key, release = (ours[name].origin.get("text", "") if name in ours else "" for name in (KEY, RELEASE))
        same = ours.get(PACKAGES) == index and self._head() in release
        return (key, release) if same and f"Signed-With: {self.section.sign_with}\n" in release else None

    def _made(self, index: Artifact, date: datetime, fingerprint: str) -> tuple[str, str]:
        """As of the newest Release that it rests on: no clock, and the same key signs the same bytes."""
        key = public_key(fingerprint)
        moment = max(date, key.created)
        return key.armored, signed(self._release(index, moment, fingerprint), fingerprint, moment)

    def _head(self) -> str:
        """What names it, which apt wants never to change."""
        return (
            f"Origin: airlock\nLabel: {self.project.name}\nSuite: {self.target.name}\n"
            f"Codename: {self.target.name}\nArchitectures: {self.architecture}\n"
        )

    def _release(self, index: Artifact, moment: datetime, fingerprint: str) -> str:
        date = format_datetime(moment.astimezone(UTC)).replace("+0000", "UTC")
        return (
            f"{self._head()}Date: {date}\nSigned-With: {fingerprint}\n"
            f"SHA256:\n {hex_of(index.digest)} {index.size} {PACKAGES}\n"
        )
