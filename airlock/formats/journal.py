"""`state/journal.jsonl`: what was done at a site, one line of canonical JSON an act, the oldest first."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import Digest, parse_digest
from airlock.core.fields import Fields
from airlock.errors import IntegrityError

FORMAT = "airlock-act/1"
ACTS = ("install", "update", "rollback")
OUTCOMES = ("done", "reverted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One switch of generations, before it is known how it ends, or after."""

    act: str
    """`install`, `update` or `rollback`."""
    time: int
    """Seconds since the epoch, by the clock of the site."""
    before: int
    """The generation that was current, 0 where there was none."""
    after: int
    """The generation that was switched to."""
    version: str
    index: Digest
    release: int
    outcome: str
    """`done`, or `reverted` where the health check failed and `before` is current again; empty while it is under way."""
    detail: str
    """The end of what a failed health check said."""


def write_act(act: Act) -> bytes:
    """One line."""
    document = {name: getattr(act, name) for name in Act.__dataclass_fields__}
    return dumps({"format": FORMAT, **document})


def write_journal(acts: Iterable[Act]) -> bytes:
    return b"".join(map(write_act, acts))


def parse_act(data: bytes, where: str) -> Act:
    """Read one line. Raises IntegrityError."""
    fields = Fields(loads(data, where), where, IntegrityError)
    if (found := fields.text("format")) != FORMAT:
        raise IntegrityError(where, "unknown journal format", expected=FORMAT, found=repr(found))
    act = Act(
        act=fields.parsed("act", _one_of(ACTS)),
        time=fields.integer("time"),
        before=fields.integer("before"),
        after=fields.integer("after"),
        version=fields.text("version"),
        index=fields.parsed("index", parse_digest),
        release=fields.integer("release"),
        outcome=fields.parsed("outcome", _one_of((*OUTCOMES, ""))),
        detail=fields.text("detail"),
    )
    fields.done()
    return act


def _one_of(known: tuple[str, ...]) -> Callable[[str, str], str]:
    def check(text: str, place: str) -> str:
        if text not in known:
            raise ValueError(f"expected one of {', '.join(known)}, found {text!r}")
        return text

    return check


def parse_journal(data: bytes, where: str) -> tuple[Act, ...]:
    """Read all lines. Raises IntegrityError that names the line."""
    lines = data.splitlines(keepends=True)
    return tuple(parse_act(line, f"{where}: line {number}") for number, line in enumerate(lines, 1))
