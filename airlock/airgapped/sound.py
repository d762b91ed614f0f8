"""Whether a site is as airlock leaves it, whatever interrupts: asked before a command changes anything.

Which generations there are is decided by the journal, and what it does not know is thrown away. So the generation in use must be
in it, or under way.
"""

from pathlib import PurePosixPath

from airlock.airgapped.site import FOLDERS, INTENT, JOURNAL, Site
from airlock.errors import IntegrityError
from airlock.formats.course import HINT, Course, course_of
from airlock.formats.journal import Act


def check_sound(site: Site) -> None:
    """Raises IntegrityError."""
    _check_folders(site)
    where = str(site.path(JOURNAL))
    course = course_of(site.journal(), where)
    act = site.intent()
    if act is not None and site.verdict_on(act.after) is None:
        _check_under_way(site, act, course)
    current = site.current()
    if current in {gone for done in site.journal().acts for gone in done.removed}:
        raise IntegrityError(
            where,
            "tells what cannot be",
            found=f"generation {current} was let go, which is in use",
            hint=HINT,
        )
    under_way = act is not None and act.after == current
    if not (_known(site, current) or under_way):
        what = f"does not know of generation {current}, which is in use: lines were cut off"
        raise IntegrityError(where, what, hint=HINT)


def _check_under_way(site: Site, act: Act, course: Course) -> None:
    fault = course.fault(act)
    if act.before != course.kept and not fault:
        fault = f"a switch from generation {act.before}, while {course.kept} was in use"
    if fault:
        hint = "somebody changed the site by hand: remove the file if nothing is under way"
        raise IntegrityError(str(site.path(INTENT)), "not an act that was under way", found=fault, hint=hint)


def _known(site: Site, current: int) -> bool:
    kept = {act.after for act in site.switches() if act.outcome == "done"}
    return current in kept if current else not kept


def _check_folders(site: Site) -> None:
    for folder in (*FOLDERS, *{str(PurePosixPath(folder).parent) for folder in FOLDERS} - {"."}):
        if site.path(folder).is_symlink():
            what = "a link where airlock made a folder; no link below a site is followed"
            raise IntegrityError(str(site.path(folder)), what, hint="put back what was there")
