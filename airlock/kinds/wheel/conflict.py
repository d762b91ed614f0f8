"""Tell why there is no answer: who asks for what, back to the manifest, and what stands in the way."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from airlock.core.target import Target
from airlock.errors import ResolutionError
from airlock.kinds.wheel.admission import admitted
from airlock.kinds.wheel.attempt import Causes, Failure
from airlock.kinds.wheel.lines import Places
from airlock.kinds.wheel.proof import Proof, Trials, facts, prove, without_builds
from airlock.kinds.wheel.provider import UNUSABLE, Asked, Provider
from airlock.kinds.wheel.releases import obstacle, sdists, tag_ranks, wheels
from airlock.kinds.wheel.remedy import remedies
from airlock.kinds.wheel.resolve import Preferred, Task, question_of, shelf_of
from airlock.kinds.wheel.shelf import Shelf
from airlock.kinds.wheel.simple import Page

_YANKED = "is yanked"
_ALONE = "no other versions of it help: ask for something else in its place, or find it elsewhere, on another [[index]]"
SHOWN = 6
"""Lines of one kind that a message shows."""


def explained(task: Task, target: Target, preferred: Preferred, failure: Failure) -> ResolutionError:
    """The shortest chain that proves it, and what was tried and would work. Resolves again, for a bounded time."""
    task = without_builds(task, failure)
    proof = prove(Trials(task, target, preferred), failure)
    shelf = shelf_of(task, question_of(task, target, preferred), preferred)
    explainer = Explainer(proof=proof, shelf=shelf, places=Places(task.directory, task.where))
    tried = tuple(remedies(Trials(task, target, preferred), proof, explainer.places))
    return explainer.error(task.where, tried)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    proof: Proof
    shelf: Shelf
    places: Places

    @property
    def provider(self) -> Provider:
        return self.proof.failure.provider

    def error(self, where: str, tried: tuple[str, ...]) -> ResolutionError:
        target, causes = self.shelf.wanted.target.name, self.proof.failure.causes
        names = sorted({cause.requirement.name for cause in causes})
        misses = (self._miss(name, _of(causes, name)) for name in names)
        what, hint = next((miss for miss in misses if miss is not None), (None, None))
        if what is None:
            what = f"no version of {' or '.join(names)} answers everything that is asked of it"
        works = "\n  ".join(["each of these works, tried one at a time:", *tried]) if tried else None
        hints = [text for text in (hint, works) if text]
        several = "no single line, changed, gives an answer: change more than one of these"
        nothing = several if len(self.proof.lines) > 1 else _ALONE
        text = "\n  ".join([f"{what}, for target {target}", *self._lines(), *self._facts(names)])
        return ResolutionError(where, text, hint="\n".join(hints) or nothing)

    def _lines(self) -> Iterator[str]:
        for line in self.proof.lines:
            place = self.places.of(line.requirement, key=line.key)
            reason = f" ({line.constraint.reason})" if line.constraint and line.constraint.reason else ""
            yield f"{place} {'constrains' if line.constraint else 'asks for'} {line.requirement}{reason}"

    def _facts(self, names: list[NormalizedName]) -> list[str]:
        passed = [
            f"{name} {version} was passed over: {reason}"
            for (name, version), reason in sorted(self.provider.unusable.items(), reverse=True)
            if name in names
        ]
        return [*facts(self.proof, self.shelf), *passed[:SHOWN]]

    def _miss(self, name: NormalizedName, asked: list[Asked]) -> tuple[str, str | None] | None:
        """What the index lacks, where the requirements do not contradict each other: a sentence and a hint."""
        if name in self.provider.question.own:
            return None
        specifiers = self.provider.specifiers(name, asked)
        admits = _Admits(specifiers.values())
        page = self.shelf.client.page(name).result()
        if not page.head.has_files:
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
        if name in self.shelf.wanted.build.always:
            hint = f"take {name} out of [python.build] always"
            return f"{name} is always to be built, and has no source distribution of what is asked for", hint
        hindered = sorted(_hindered(page, name, self.shelf, admits), reverse=True)
        only = self._no_wheel(page, name, admits)
        if hindered:
            version, reason = hindered[0]
            hint = f"a withdrawn version is taken where it is pinned: {name}=={version}"
            return (
                f"no file of {name} can be used: the nearest, {version}, {reason}",
                hint if reason.startswith(_YANKED) else only and only[1],
            )
        return only or _no_version(page, name, asked)

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
            reason = row.get("yanked")
            told = f": {reason}" if isinstance(reason, str) else ""
            yield version, obstacle(row, shelf.wanted.of(name)) or f"{_YANKED}{told}"
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
