"""What the acts in a site's journal may say, one after the other.

The chain of a journal proves that nothing was changed later; it does not keep anybody who can write to the file from adding to
it. Acts decide what the next command removes and what it accepts, so those that no airlock can have done are refused.
"""

from dataclasses import dataclass

from airlock.errors import IntegrityError
from airlock.formats.journal import Act, Journal

SWITCHES = ("install", "update", "downgrade", "rollback", "recover")
"""Acts that make another generation the current one."""
_GAP = 10_000
"""Numbers of generations that may be left out: those of acts that were interrupted before the switch."""
HINT = "leave it as it is for whoever looks into it; another --root, installed anew, begins another journal"


@dataclass(slots=True)
class Course:
    """Where the acts so far have led."""

    kept: int = 0
    """The generation that was switched to last, and kept."""
    highest: int = 0
    """The highest number that any generation had."""

    def fault(self, act: Act) -> str:
        """Why this cannot be the next act; empty where it can."""
        if not act.after:
            return self._collected(act)
        if act.act not in SWITCHES or act.outcome not in ("", "done", "reverted") or act.index is None:
            return f"a switch that is none: {act.act}, {act.outcome or 'under way'}"
        if not self.highest < act.after <= self.highest + _GAP:
            return f"a switch to generation {act.after}, after {self.highest}"
        return f"a switch to generation {act.after} from {act.before}" if act.before >= act.after else ""

    def _collected(self, act: Act) -> str:
        if act.removed and act.act != "gc":
            return f"{act.act} let generations go"
        gone = next((one for one in act.removed if one > self.highest), None)
        return (
            "" if gone is None else f"generation {gone} was let go, and {self.highest} is the last there was"
        )

    def take(self, act: Act) -> None:
        self.highest = max(self.highest, act.after)
        if act.after and act.outcome == "done":
            self.kept = act.after


def course_of(journal: Journal, where: str) -> Course:
    """Follow all acts. Raises IntegrityError for the first that cannot be."""
    course = Course()
    for line in journal.lines:
        if fault := course.fault(line.act):
            raise IntegrityError(
                f"{where}: line {line.number}", "tells what cannot be", found=fault, hint=HINT
            )
        course.take(line.act)
    return course
