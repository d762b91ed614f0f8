"""Tell why there is no answer: who asks for what, back to the manifest, and what stands in the way."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version
from resolvelib.structs import RequirementInformation

from airlock.errors import ResolutionError
from airlock.kinds.wheel.provider import UNUSABLE, Asked, Candidate, Provider, admitted
from airlock.kinds.wheel.releases import obstacle, sdists, tag_ranks, wheels
from airlock.kinds.wheel.shelf import Shelf
from airlock.kinds.wheel.simple import Page

Causes = Collection[RequirementInformation[Asked, Candidate]]
SHOWN = 6
"""Lines of one kind that a message shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """Speaks of one resolution. `where` is the manifest's file name."""

    provider: Provider
    shelf: Shelf
    where: str

    def error(self, causes: Causes) -> ResolutionError:
        target = self.shelf.wanted.target.name
        names = sorted({cause.requirement.name for cause in causes})
        for name in names:
            wanted = _of(causes, name)
            if (miss := self._miss(name, wanted)) is not None:
                what, hint = miss
                text = "\n".join([f"{what}, for target {target}", *self._chains(name, wanted)])
                return ResolutionError(self.where, text, hint=hint)
        lines = [line for name in names for line in self._chains(name, _of(causes, name))]
        what = (
            f"no version of {' or '.join(names)} answers everything that is asked of it, for target {target}"
        )
        hint = "loosen one of these requirements in the manifest, or drop what asks for the other"
        return ResolutionError(self.where, "\n".join([what, *lines]), hint=hint)

    def _chains(self, name: NormalizedName, wanted: Iterable[Asked]) -> list[str]:
        lines = [f"  {one} is asked for by {self._asker(one)}" for one in wanted]
        constraints = self.provider.question.constraints.get(name, ())
        lines += [f"  {self._constraint(f'{name}{one}')}" for one in constraints]
        lines += [
            f"  {name} {version} was passed over: {reason}"
            for (passed, version), reason in sorted(self.provider.unusable.items(), reverse=True)
            if passed == name
        ][:SHOWN]
        return list(dict.fromkeys(lines))

    def _constraint(self, text: str) -> str:
        reason = self.provider.question.reasons.get(text)
        return f"{text} is a constraint of {self.where}" + (f" ({reason})" if reason else "")

    def _asker(self, one: Asked) -> str:
        if one.parent is None:
            return self.where
        parts = [str(one.parent)]
        for step in self._way_back(one.parent):
            parts.append(f"as {step}" if step.parent is None else f"as {step} by {step.parent}")
        return ", wanted ".join(parts) + f" by {self.where}"

    def _way_back(self, candidate: Candidate) -> list[Asked]:
        """The shortest chain of requirements from a candidate to the manifest."""
        queue: deque[tuple[Candidate, list[Asked]]] = deque([(candidate, [])])
        met = {(candidate.name, candidate.version)}
        while queue:
            child, way = queue.popleft()
            for one in self.provider.seen:
                if one.name != child.name or not one.specifier.contains(child.version, prereleases=True):
                    continue
                if one.parent is None:
                    return [*way, one]
                if (one.parent.name, one.parent.version) not in met:
                    met.add((one.parent.name, one.parent.version))
                    queue.append((one.parent, [*way, one]))
        return []

    def _miss(self, name: NormalizedName, wanted: list[Asked]) -> tuple[str, str | None] | None:
        """What the index lacks, where the requirements do not contradict each other: a sentence and a hint."""
        if name in self.provider.question.own:
            return None
        specifiers = self.provider.specifiers(name, wanted)
        admits = _Admits(specifiers.values())
        page = self.shelf.client.page(name).result()
        if not page.rows:
            return (
                f"{name} is not on the index {page.index!r}",
                "check the spelling, or name its index in [python.sources]",
            )
        if page.status.refused:
            what = f"{name} is in quarantine on the index {page.index!r}, {page.status}"
            return what, "an index does this to what may be malware: find out before you go on"
        if admitted(
            self.shelf.releases(name),
            specifiers,
            lambda _, one, version: one.contains(version, prereleases=True),
            self.provider.question.prereleases_of(name),
        ):
            return None
        hindered = sorted(_hindered(page, name, self.shelf, admits), reverse=True)
        if hindered:
            version, reason = hindered[0]
            return f"no file of {name} can be used: the nearest, {version}, {reason}", None
        return self._no_wheel(page, name, admits) or _no_version(page, name, wanted)

    def _no_wheel(self, page: Page, name: NormalizedName, admits: "_Admits") -> tuple[str, str | None] | None:
        only = sorted(((v, row["filename"]) for row, v in sdists(page, name) if admits(v)), reverse=True)
        if only:
            version, file = only[0]
            hint = (
                f'have it built, which runs its code on this machine: [python.build] packages = ["{name}"]; or ask for '
                f"a version of {name} that has a wheel"
            )
            return f"{name} {version} has only a source distribution ({file})", hint
        return None


def _no_version(page: Page, name: NormalizedName, wanted: list[Asked]) -> tuple[str, str] | None:
    """One requirement that no version answers even alone, so that loosening another would not help."""
    versions = {row[1] for row in wheels(page, name)} | {version for _, version in sdists(page, name)}
    for one in wanted:
        if versions and not any(one.specifier.contains(version, prereleases=True) for version in versions):
            what = f"the index {page.index!r} has no version of {name} that is {one.specifier}"
            return what, f"the newest that it has is {max(versions)}"
    return None


class _Admits:
    def __init__(self, specifiers: Iterable[SpecifierSet]) -> None:
        self._specifiers = tuple(specifiers)

    def __call__(self, version: Version) -> bool:
        return all(one.contains(version, prereleases=True) for one in self._specifiers)


def _of(causes: Causes, name: NormalizedName) -> list[Asked]:
    found = (cause.requirement for cause in causes)
    return [one for one in found if one.name == name and one.specifier != UNUSABLE]


def _hindered(
    page: Page, name: NormalizedName, shelf: Shelf, admits: _Admits
) -> Iterator[tuple[Version, str]]:
    """Wheels of versions that were asked for, and why the target cannot use them."""
    ranks = tag_ranks(shelf.wanted.target)
    tags: dict[Version, set[str]] = {}
    for row, version, found, _ in wheels(page, name):
        if not admits(version):
            continue
        if any(tag in ranks for tag in found):
            yield version, obstacle(row, shelf.wanted.of(name)) or f"is yanked: {row.get('yanked')}"
        else:
            tags.setdefault(version, set()).update(found)
    for version, foreign in tags.items():
        nearest = sorted(foreign, key=lambda tag: _distance(tag, shelf))[:SHOWN]
        yield version, f"has no wheel for {shelf.wanted.target.platform}, only for {', '.join(nearest)}"


def _distance(tag: str, shelf: Shelf) -> tuple[bool, bool, bool, str]:
    """Tags of the target's machine, system and Python first."""
    target = shelf.wanted.target
    interpreter, _, platform = tag.split("-", 2)
    major, minor = target.python_minor
    own = interpreter in (f"cp{major}{minor}", f"py{major}", f"cp{major}")
    return not platform.endswith(target.machine), "linux" not in platform, not own, tag
