"""The instant after which nothing on an index counts: named by the manifest, or reckoned once from a cooldown."""

import re
from datetime import UTC, datetime, timedelta

from airlock.core.fields import Fields
from airlock.formats.lockfile import Cutoff

_COOLDOWN = re.compile(r"([1-9][0-9]{0,3}) (hour|day|week)s?")
_FORM = "%Y-%m-%dT%H:%M:%SZ"


def read_cooldown(fields: Fields) -> str | None:
    """`cooldown` of `[python]`. Raises UsageError."""
    text = fields.optional_text("cooldown")
    if text is None:
        return None
    if not _COOLDOWN.fullmatch(text):
        raise fields.fault("cooldown", f"expected hours, days or weeks, found {text!r}", hint='as "7 days"')
    if "exclude-newer" in fields:
        hint = "leave exclude-newer for an instant, or cooldown for one that moves with `--upgrade`"
        raise fields.fault("cooldown", "stands beside exclude-newer", hint=hint)
    return text


def fixed(
    exclude_newer: datetime | None, cooldown: str | None, previous: Cutoff | None, now: datetime | None
) -> Cutoff | None:
    """See `Packages.cutoff`."""
    if exclude_newer is not None:
        return Cutoff(instant=exclude_newer.strftime(_FORM))
    if cooldown is None:
        return None
    if previous is not None and previous.cooldown == cooldown:
        return previous
    return Cutoff(instant=(now - _length(cooldown)).strftime(_FORM), cooldown=cooldown) if now else None


def _length(cooldown: str) -> timedelta:
    match = _COOLDOWN.fullmatch(cooldown)
    assert match is not None, "checked when it was read"
    return timedelta(**{f"{match[2]}s": int(match[1])})


def instant(cutoff: Cutoff) -> datetime:
    return datetime.strptime(cutoff.instant, _FORM).replace(tzinfo=UTC)
