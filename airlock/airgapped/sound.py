"""Whether a site is as airlock leaves it, whatever interrupts: asked before a command changes anything.

Which generations there are is decided by the journal, and what it does not know is thrown away. So the generation in use must be
in it, or under way.
"""

from pathlib import PurePosixPath

from airlock.airgapped.site import FOLDERS, INTENT, JOURNAL, Site
from airlock.errors import IntegrityError
from airlock.formats.course import HINT, course_of


def check_sound(site: Site) -> None:
    """Raises IntegrityError."""
    _check_folders(site)
    where = str(site.path(JOURNAL))
    course = course_of(site.journal(), where)
    act = site.intent()
    if act is not None and site.verdict_on(act.after) is None and (fault := course.fault(act)):
        hint = "somebody changed the site by hand: remove the file if nothing is under way"
        raise IntegrityError(str(site.path(INTENT)), "not an act that was under way", found=fault, hint=hint)
    current = site.current()
    if current not in (course.current, act.after if act else 0):
        raise IntegrityError(
            where,
            f"does not know of generation {current}, which is in use: lines were cut off",
            expected=f"generation {course.current}" if course.current else "no generation",
            hint=HINT,
        )


def _check_folders(site: Site) -> None:
    for folder in (*FOLDERS, *{str(PurePosixPath(folder).parent) for folder in FOLDERS} - {"."}):
        if site.path(folder).is_symlink():
            what = "a link where airlock made a folder; no link below a site is followed"
            raise IntegrityError(str(site.path(folder)), what, hint="put back what was there")
