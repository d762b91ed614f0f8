"""A line of a journal as a row of a page."""

from airlock.airgapped.pages import date
from airlock.formats.journal import Act

_MOODS = {"done": "good", "refused": "care", "failed": "bad", "reverted": "bad"}


def row_of(act: Act) -> dict[str, str]:
    words = [f"generation {act.before} → {act.after}"] if act.after else []
    words += [f"keys {', '.join(key[:8] for key in act.keys)}"] if act.keys else []
    words += act.detail.splitlines()[:1]
    return {
        "time": date(act.time),
        "act": act.act,
        "outcome": act.outcome,
        "mood": _MOODS.get(act.outcome, ""),
        "user": act.user,
        "file": act.file,
        "more": "; ".join(words),
    }
