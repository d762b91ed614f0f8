"""`airlock add` and `airlock remove`: change the list of requirements, and nothing else of the user's text."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import tomlkit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from airlock.connected.requirements import parse_requirement
from airlock.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One requirement: `before` is None where it is new, `after` where it is gone; they are equal where it was there."""

    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"added {self.after}"
        if self.after is None:
            return f"removed {self.before}"
        return (
            f"{self.after} was there" if self.before == self.after else f"{self.after} replaces {self.before}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    text: str
    edits: tuple[Edit, ...]


def add_requirements(text: str, requirements: Sequence[str], where: str) -> Edited:
    """`text` is a manifest, `where` its name. One of the same name is replaced; a sorted list stays sorted. Raises
    UsageError for what is no requirement, and for a manifest without a list to put it into."""
    parsed = [parse_requirement(requirement, "airlock add") for requirement in requirements]
    document, array = _open(text, where)
    edits = tuple(
        _add(array, requirement, item) for requirement, item in zip(parsed, requirements, strict=True)
    )
    return Edited(text=tomlkit.dumps(document), edits=edits)


def remove_requirements(text: str, names: Sequence[str], where: str) -> Edited:
    """Raises UsageError, with a guess, for a name that is not there."""
    document, array = _open(text, where)
    edits: list[Edit] = []
    for name in names:
        places = _places(array, name)
        if not places:
            known = {canonicalize_name(Requirement(item).name) for item in array}
            near = difflib.get_close_matches(canonicalize_name(name), known, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
            )
            raise UsageError(f"{where}: python.requirements", f"no requirement named {name!r}", hint=hint)
        edits += [Edit(before=str(array[place]), after=None) for place in places]
        for place in reversed(places):
            del array[place]
    return Edited(text=tomlkit.dumps(document), edits=tuple(edits))


def _open(text: str, where: str) -> tuple[tomlkit.TOMLDocument, Array]:
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise UsageError(where, f"not valid TOML, {error}") from error
    python = document.setdefault("python", tomlkit.table())
    if not isinstance(python, dict):
        raise UsageError(f"{where}: python", "expected a table")
    python.setdefault("requirements", tomlkit.array().multiline(True))
    array = python["requirements"]
    if not isinstance(array, Array):
        raise UsageError(f"{where}: python.requirements", "expected an array")
    for number, item in enumerate(array):
        parse_requirement(str(item), f"{where}: python.requirements[{number}]")
    return document, array


def _places(array: Array, name: str) -> list[int]:
    wanted = canonicalize_name(name)
    return [place for place, item in enumerate(array) if canonicalize_name(Requirement(item).name) == wanted]


def _add(array: Array, requirement: Requirement, text: str) -> Edit:
    places = _places(array, requirement.name)
    if not places:
        array.insert(_place_for(array, requirement), text)
        return Edit(before=None, after=text)
    before = ", ".join(str(array[place]) for place in places)
    if before != text:
        array[places[0]] = text
    for place in reversed(places[1:]):
        del array[place]
    return Edit(before=before, after=text)


def _place_for(array: Array, requirement: Requirement) -> int:
    names = [canonicalize_name(Requirement(item).name) for item in array]
    if names != sorted(names):
        return len(names)
    name = canonicalize_name(requirement.name)
    return next((place for place, other in enumerate(names) if other > name), len(names))
