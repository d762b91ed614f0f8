"""`airlock rollback`: the content of an earlier generation, as a new one. Needs no media."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

from airlock.airgapped.install import Outcome, site_errors
from airlock.airgapped.site import Site, directory_of, locked
from airlock.airgapped.switch import Surroundings, recover, switch
from airlock.errors import IntegrityError, TargetError
from airlock.formats.generation import Generation
from airlock.storage.tree_scan import drift

_NAMED = 5
"""Files that a message names."""


def rollback(site: Site, to: int | None, world: Surroundings) -> Outcome:
    """Go back to generation `to`, or to the last accepted one with other, older content. Its files are hashed first.
    Raises TargetError or IntegrityError; what was in use is then still, or again, in use."""
    if not site.current():
        raise TargetError(str(site.root), "nothing is installed here")
    with site_errors(site), locked(site, "rollback"):
        recover(site, world)
        if (current := site.current_generation()) is None:
            raise TargetError(str(site.root), "nothing is installed here")
        earlier = site.generation(to if to is not None else _earlier(site, current))
        if earlier.content == current.content:
            return Outcome(
                before=current.number, after=current.number, version=current.version, index=current.index
            )
        _check(site, earlier)
        generation = replace(earlier, number=site.next_number())
        site.record(generation)
        site.disk.symlink(str(generation.content), directory_of(generation.number))
        site.disk.sync("generations")
        done = switch(site, "rollback", generation, world)
        return Outcome(
            before=done.before, after=done.after, version=generation.version, index=generation.index
        )


def _earlier(site: Site, current: Generation) -> int:
    accepted = {act.after for act in site.journal() if act.outcome == "done"}
    known = [number for number in site.numbers() if number in accepted and number < current.content]
    for number in reversed(known):
        if site.generation(number).content == number:
            return number
    raise TargetError(str(site.root), "no earlier generation to go back to")


def _check(site: Site, generation: Generation) -> None:
    if not Path(generation.python).exists():
        raise TargetError(f"generation {generation.number}", "its Python is gone", expected=generation.python)
    changed = list(islice(drift(site.path(directory_of(generation.content)), generation.tree), _NAMED + 1))
    if changed:
        names = ", ".join(change.path for change in changed[:_NAMED])
        raise IntegrityError(
            f"generation {generation.number}",
            "files are not what was installed",
            found=f"changed or missing: {names}{' and more' if len(changed) > _NAMED else ''}",
            hint="install the bundle of that version again",
        )
