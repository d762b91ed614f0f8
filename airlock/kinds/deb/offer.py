"""What the archives of the manifest, or of this machine's apt, offer: asked once for each suite, and read once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from airlock.errors import FetchError, UsageError
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide, PinRequest
from airlock.kinds.deb.archive import Place, check_moment, fetch_index, fetch_release, indexes
from airlock.kinds.deb.control import text_of
from airlock.kinds.deb.packages import Origin, Universe
from airlock.kinds.deb.release import Release
from airlock.kinds.deb.rows import KIND
from airlock.kinds.deb.section import DEFAULT, DebSection
from airlock.kinds.deb.sources import AptSources, Trust, apt_sources, trust_of
from airlock.kinds.inside import file_inside

_FORM = "%Y-%m-%dT%H:%M:%SZ"


@dataclass
class Offer:
    request: PinRequest
    _releases: dict[tuple[Place, datetime | None], Release] = field(default_factory=dict)
    """Each section has its own keyring and instant to judge one by."""
    _universes: dict[tuple[str, ...], Universe] = field(default_factory=dict)

    def universe(self, section: DebSection, architecture: str) -> Universe:
        """Everything that the section's suites have for an architecture. Raises FetchError or IntegrityError."""
        key = (section.where, architecture)
        if key not in self._universes:
            universe = Universe(architecture=architecture)
            for place in self._places(section):
                self._add(place, section, universe)
            self._universes[key] = universe
        return self._universes[key]

    def date(self, section: DebSection) -> datetime:
        """Of the newest Release that the section rests on."""
        return max(self._release(place, section).date for place in self._places(section))

    def _add(self, place: Place, section: DebSection, universe: Universe) -> None:
        release, near = self._release(place, section), self.request.near
        for component in section.components[: 1 if place.flat else None]:
            for path in indexes(place, release, component, universe.architecture):
                index = fetch_index(place, release, path, near)
                origin = Origin(
                    archive=place.name,
                    suite=place.suite,
                    index=index.digest,
                    release=release.digest,
                    date=release.date.strftime(_FORM),
                )
                where = f"{place.where}: {path}"
                universe.add(text_of(index.data, where), where, origin)

    def _release(self, place: Place, section: DebSection) -> Release:
        key = (place, section.exclude_newer)
        if key not in self._releases:
            newest = None if section.exclude_newer else self._seen(place)
            release = fetch_release(place, self.request.near, newest)
            check_moment(place, release, section.exclude_newer, self.request.now)
            self._releases[key] = release
        return self._releases[key]

    def _seen(self, place: Place) -> datetime | None:
        """The date of the newest Release of the suite that the lock before rests on."""
        previous = self.request.previous.artifacts if self.request.previous else ()
        origins = (one.artifact.origin for one in previous if one.artifact.kind == KIND)
        dates = [
            datetime.strptime(origin["released"], _FORM).replace(tzinfo=UTC)
            for origin in origins
            if (origin.get("archive"), origin.get("suite")) == (place.name, place.suite)
            and "released" in origin
        ]
        return max(dates, default=None)

    def _places(self, section: DebSection) -> Iterator[Place]:
        for suite in section.suites:
            name = section.archive_of(suite)
            trust = self._given(section)
            if name == DEFAULT:
                source = self._apt.of(suite, section.components[0])
                trust = trust or trust_of(source, self._apt)
                url = source.url
            else:
                url = self.request.manifest.indexes[name]
            assert trust is not None, "the section has a keyring where it names an archive"
            yield Place(name=name, url=checked_url(url, name), suite=suite, trust=trust)

    def _given(self, section: DebSection) -> Trust | None:
        if section.keyring is None:
            return None
        file = file_inside(
            self.request.near.directory, section.keyring, f"{section.where}.keyring", UsageError
        )
        return Trust(keyrings=(file.read_bytes(),))

    @cached_property
    def _apt(self) -> AptSources:
        return apt_sources()


def checked_url(url: str, name: str) -> str:
    """Without the slash at its end. Raises FetchError for what is not fetched over the web."""
    if not url.startswith(("http://", "https://")):
        hint = "declare a mirror as [[index]] with explicit = true, and name it with archive"
        raise FetchError(f"archive {name}", "not an http or https address", found=repr(url), hint=hint)
    return url.rstrip("/")


def locations(name: str, manifest: Manifest | None, near: NearSide) -> Iterator[str]:
    """Where a package of the archive may be, the archive itself first: its digest tells whether it is the one."""
    indexes = manifest.indexes if manifest else {}
    urls = [indexes[name]] if name in indexes else []
    urls += [
        url for other, url in indexes.items() if other != name and manifest and other in manifest.explicit
    ]
    try:
        urls += [source.url for source in apt_sources().sources] if name == DEFAULT else []
    except FetchError:
        if not urls:
            raise
    yield from dict.fromkeys(url.rstrip("/") for url in urls if url.startswith(("http://", "https://")))
