"""One target's view of the indexes, and the guesses that have answers ready before the resolver asks.

A guess only starts a question early. Guesses run in many threads, in any order, and may be wrong; what the resolver reads
through `releases` and `metadata` is the same without them.
"""

import threading
from collections import Counter
from collections.abc import Container, Mapping
from concurrent.futures import Future
from itertools import islice
from typing import Protocol

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.core.target import Target
from airlock.kinds.wheel.client import IndexClient, Outcome
from airlock.kinds.wheel.metadata import Unusable, applies
from airlock.kinds.wheel.releases import Releases, Wanted, WheelFile
from airlock.kinds.wheel.simple import Page

BATCHES = {10: 10, 20: 20}
"""After so many versions of one project were tried in vain, ask for so many more at once."""
MANY, BATCH = 20, 50


class Sdists(Protocol):
    def metadata(self, file: WheelFile, target: Target) -> Outcome:
        """What a source distribution needs on the target; for most, what its wheel says that was built to find out."""


class Shelf:
    def __init__(
        self,
        client: IndexClient,
        wanted: Wanted,
        preferred: Mapping[NormalizedName, tuple[Version, ...]],
        own: Container[NormalizedName],
        sdists: Sdists,
    ) -> None:
        """`preferred` is where guesses start; no index is ever asked for what is the project's `own`."""
        self.client, self.wanted = client, wanted
        self._preferred, self._own, self._sdists = preferred, own, sdists
        self._releases: dict[NormalizedName, Releases] = {}
        self._tried: Counter[NormalizedName] = Counter()
        self._guessed: set[tuple[NormalizedName, SpecifierSet]] = set()
        self._met: set[NormalizedName] = set()
        self._lock = threading.Lock()

    def releases(self, name: NormalizedName) -> Releases:
        """What the target can use of a project. Waits for the index; raises FetchError."""
        found = self._releases.get(name)
        if found is None:
            page = self.client.page(name).result()
            # Two threads may both work it out; they come to the same.
            found = self._releases[name] = self.client.releases(page, name, self.wanted.of(name))
        return found

    def metadata(self, file: WheelFile) -> Outcome:
        """Waits for it; raises FetchError or IntegrityError, and for a source distribution ResolutionError."""
        if file.is_sdist:
            return self._sdists.metadata(file, self.wanted.target)
        return self.client.metadata(file).result()

    def expect(self, file: WheelFile) -> None:
        """The file is the likely choice. No guess runs the code of a package."""
        if not file.is_sdist:
            self.client.metadata(file)

    def tried(self, file: WheelFile) -> None:
        """Count a version that the resolver looks into; many in a row mean that more will follow."""
        self._tried[file.name] += 1
        count = self._tried[file.name]
        ahead = BATCHES.get(count, BATCH if count > MANY and count % MANY == 0 else 0)
        if ahead and file.name in self._releases:
            older = (one for version, one in self._releases[file.name].items() if version < file.version)
            for one in islice(older, ahead):
                self.expect(one)

    def foresee(self, name: NormalizedName, specifier: SpecifierSet) -> None:
        """Follow a requirement ahead of the resolver: page, likely file, its metadata, what that needs, and so on."""
        with self._lock:
            if name in self._own or (name, specifier) in self._guessed:
                return
            self._guessed.add((name, specifier))
            self._met.add(name)
        self.client.page(name).add_done_callback(lambda page: self._look(name, specifier, page))

    def _look(self, name: NormalizedName, specifier: SpecifierSet, page: Future[Page]) -> None:
        if page.cancelled() or page.exception() is not None:
            return
        file = self._likely(name, specifier)
        if file is not None and not file.is_sdist and not self.client.knows_metadata(file):
            self.client.metadata(file).add_done_callback(self._follow)

    def _likely(self, name: NormalizedName, specifier: SpecifierSet) -> WheelFile | None:
        found = self.releases(name)
        for version in (*self._preferred.get(name, ()), *found):
            if version in found and specifier.contains(version) and found[version].yanked is None:
                return found[version]
        return None

    def _follow(self, outcome: Future[Outcome]) -> None:
        if outcome.cancelled() or outcome.exception() is not None:
            return
        metadata = outcome.result()
        if isinstance(metadata, Unusable):
            return
        for one in metadata.requirements:
            name = canonicalize_name(one.name)
            # A guess upon a guess adds projects; which of their versions is for the resolver to say.
            if name not in self._met and self._plain(one):
                self.foresee(name, one.specifier)

    def _plain(self, requirement: Requirement) -> bool:
        try:
            return requirement.url is None and applies(requirement, self.wanted.target, frozenset())
        except Unusable:
            return False
