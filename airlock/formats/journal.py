"""The transfer log: what was done with bundles on one side of the gap, one line of canonical JSON an act, the oldest first.

Each line holds its number and the digest of the line before, so that a line that was changed, taken out or put in breaks the
chain after it. The digest of the last line, the head, stands for the whole journal: who writes it down can prove later that
nothing up to there was changed or cut off.

A line is appended and then synced. What a power cut leaves of one is no whole line: it lacks its end, or has holes of zeros
where a block was not written. Such a torn end was never reported as written, so it is told apart from a broken chain and may
be set aside.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypedDict

from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import Digest, digest_of, hex_of
from airlock.core.fields import Fields
from airlock.core.plain import plain
from airlock.errors import IntegrityError
from airlock.formats.rows import plain_text

NAME = "airlock.journal"
"""Of the file, on the near side."""
FORMAT = "airlock-journal/1"
ANNOUNCED = "airlock-act/1"
"""The format of an act that is under way, outside the chain."""

ACTS = (
    "build",
    "delta",
    "sign",
    "trust",
    "split",
    "join",
    "push",
    "pull",
    "receive",
    "verify",
    "apply",
    "install",
    "update",
    "downgrade",
    "rollback",
    "gc",
    "recover",
    "audit",
)
OUTCOMES = ("done", "refused", "failed", "reverted")
"""`refused`: the input was not what it should be; `failed`: the machine could not; `reverted`: the health check failed."""

START = digest_of(b"")
"""What the first line has for the digest of the line before."""
LAST = 253_402_300_799
"""Seconds: the end of the year 9999, behind which no calendar goes."""
MAX_LINE = 1 << 16
MAX_JOURNAL = 64 << 20
"""Bytes."""
MAX_DETAIL = 8_000
"""Characters."""
_MAX_NAME = 1_000
_WAY_ON = (
    "`airlock history` shows the lines before it; at a site, `airlock history --restart --reason TEXT` sets the journal aside "
    "for whoever looks into it, and begins another"
)
_SHORTEST = 16
"""Hex digits by which a line may be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act. What does not apply to it, or is not known, is left empty."""

    act: str
    """One of ACTS."""
    time: int
    """Seconds since the epoch, by the clock of this side."""
    outcome: str
    """One of OUTCOMES, empty while it is under way."""
    user: str = ""
    """Who was at the machine."""
    keys: tuple[str, ...] = ()
    """Ids of the keys whose signatures held, or that signed; sorted."""
    file: str = ""
    """The name of the file that it was about, without its folder."""
    project: str = ""
    version: str = ""
    index: Digest | None = None
    """Of the bundle's index, which stands for the bundle."""
    release: int = 0
    """The counter of its signatures."""
    before: int = 0
    """The generation that was current, at a switch."""
    after: int = 0
    """The generation that was switched to."""
    removed: tuple[int, ...] = ()
    """Generations that are gone from then on; sorted."""
    detail: str = ""
    """Why, or the end of what a failed health check said."""


class Facts(TypedDict, total=False):
    """What a command tells of an act, besides when and who; as in Act."""

    outcome: str
    keys: tuple[str, ...]
    file: str
    project: str
    version: str
    index: Digest
    release: int
    removed: tuple[int, ...]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    number: int
    """From 1."""
    previous: Digest
    digest: Digest
    """Of the line itself, its end of line included."""
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    lines: tuple[Line, ...] = ()
    size: int = 0
    """Bytes that the whole lines take."""
    torn: bytes = b""
    """What a power cut left of a line after them."""

    @property
    def head(self) -> Digest:
        """It changes with every line."""
        return self.lines[-1].digest if self.lines else START

    @property
    def acts(self) -> tuple[Act, ...]:
        return tuple(line.act for line in self.lines)

    def holding(self, digest: str) -> Line | None:
        """The line whose digest that is: in full, or its first digits (at least 16), in groups or not. Raises
        ValueError."""
        digits = "".join(digest.split()).lower().removeprefix("sha256:")
        if len(digits) < _SHORTEST or not set(digits) <= set("0123456789abcdef"):
            raise ValueError(f"expected at least {_SHORTEST} hex digits")
        return next((line for line in self.lines if hex_of(line.digest).startswith(digits)), None)


def next_line(journal: Journal, act: Act) -> bytes:
    """The line that `act` becomes at the journal's end."""
    return dumps(
        {
            "format": FORMAT,
            "number": len(journal.lines) + 1,
            "previous": journal.head,
            **_written(act),
        }
    )


def write_act(act: Act) -> bytes:
    """An act that is under way."""
    return dumps({"format": ANNOUNCED, **_written(act)})


def parse_act(data: bytes, where: str) -> Act:
    """Read what `write_act` wrote. Raises IntegrityError."""
    fields = _fields(data, where, ANNOUNCED)
    act = _act(fields, ("", *OUTCOMES))
    fields.done()
    return act


def parse_journal(data: bytes, where: str) -> Journal:
    """Read all lines and follow the chain. Raises IntegrityError that names the first line that is broken."""
    journal, fault = sound_part(data, where)
    if fault:
        raise fault
    return journal


def sound_part(data: bytes, where: str) -> tuple[Journal, IntegrityError | None]:
    """The lines before the first that is broken, and what is wrong with that one."""
    if len(data) > MAX_JOURNAL:
        return Journal(), IntegrityError(where, "too large", expected=f"at most {MAX_JOURNAL} bytes")
    size = _whole(data)
    lines: list[Line] = []
    try:
        for number, row in enumerate(_rows(data, size), 1):
            line = parse_line(row, f"{where}: line {number}")
            if lines and line.number == number and line.previous != lines[-1].digest:
                raise _changed(_blamed(data, size, line), lines, where)
            _check_place(line, number, lines[-1].digest if lines else START, where)
            lines.append(line)
    except IntegrityError as fault:
        return Journal(lines=tuple(lines)), _with_way_on(fault)
    return Journal(lines=tuple(lines), size=size, torn=data[size:]), None


def _whole(data: bytes) -> int:
    """Bytes of the lines that are not torn."""
    end = data.rfind(b"\n") + 1
    last = data.rfind(b"\n", 0, max(end - 1, 0)) + 1
    return last if data.find(b"\0", last, end) >= 0 else end


def _rows(data: bytes, size: int) -> Iterator[bytes]:
    """One after the other: a file of empty lines has more of them than memory holds at once."""
    start = 0
    while start < size:
        end = data.index(b"\n", start) + 1
        yield data[start:end]
        start = end


def _with_way_on(fault: IntegrityError) -> IntegrityError:
    return IntegrityError(
        fault.where, fault.what, expected=fault.expected, found=fault.found, hint=fault.hint or _WAY_ON
    )


def _blamed(data: bytes, size: int, line: Line) -> int:
    """Of two lines that do not fit, the number of the one that was changed: the first, if the next vouches for the second."""
    following = next(islice(_rows(data, size), line.number, None), None)
    if following is None:
        return line.number - 1
    try:
        vouched = parse_line(following, "").previous == line.digest
    except IntegrityError:
        vouched = False
    return line.number - 1 if vouched else line.number


def _changed(number: int, lines: list[Line], where: str) -> IntegrityError:
    """A changed line is not among the sound ones."""
    del lines[number - 1 :]
    return IntegrityError(
        f"{where}: line {number}", "was changed: it and the line beside it do not have each other's digest"
    )


def _check_place(line: Line, number: int, previous: Digest, where: str) -> None:
    if (line.number, line.previous) != (number, previous):
        raise IntegrityError(
            f"{where}: line {number}",
            "does not follow from the line before: the journal was changed",
            expected=f"line {number} after {previous}",
            found=f"line {line.number} after {line.previous}",
        )


def parse_line(data: bytes, where: str) -> Line:
    """Read one line, wherever it stands. Raises IntegrityError."""
    if len(data) > MAX_LINE:
        raise IntegrityError(where, "too long", expected=f"at most {MAX_LINE} bytes", found=f"{len(data)}")
    fields = _fields(data, where, FORMAT)
    number, previous = fields.integer("number"), fields.digest("previous")
    act = _act(fields, OUTCOMES)
    fields.done()
    return Line(number=number, previous=previous, digest=digest_of(data), act=act)


def _fields(data: bytes, where: str, expected: str) -> Fields:
    fields = Fields(loads(data, where), where, IntegrityError)
    if (found := fields.text("format")) != expected:
        raise IntegrityError(where, "unknown journal format", expected=expected, found=repr(found))
    return fields


def _act(fields: Fields, outcomes: tuple[str, ...]) -> Act:
    return Act(
        act=fields.parsed("act", _one_of(ACTS)),
        time=fields.integer("time", limit=LAST),
        outcome=fields.parsed("outcome", _one_of(outcomes)),
        user=_text(fields, "user"),
        keys=_keys(fields),
        file=_text(fields, "file"),
        project=_text(fields, "project"),
        version=_text(fields, "version"),
        index=fields.digest("index") if "index" in fields else None,
        release=_number(fields, "release"),
        before=_number(fields, "before"),
        after=_number(fields, "after"),
        removed=_removed(fields),
        detail=_detail(fields),
    )


def _text(fields: Fields, key: str) -> str:
    """What is empty is left out, so that each act has one spelling."""
    if key not in fields:
        return ""
    text = fields.parsed(key, plain_text)
    if not 0 < len(text) <= _MAX_NAME:
        raise fields.fault(key, f"expected 1 to {_MAX_NAME} characters, found {len(text)}")
    return text


def _detail(fields: Fields) -> str:
    if "detail" not in fields:
        return ""
    text = fields.text("detail")
    if not 0 < len(text) <= MAX_DETAIL:
        raise fields.fault("detail", f"expected 1 to {MAX_DETAIL} characters, found {len(text)}")
    return text


def _number(fields: Fields, key: str) -> int:
    if key not in fields:
        return 0
    if not (number := fields.integer(key)):
        raise fields.fault(key, "expected 1 or more, found 0")
    return number


def _keys(fields: Fields) -> tuple[str, ...]:
    keys = fields.texts("keys", ())
    return _ascending(fields, "keys", keys)


def _removed(fields: Fields) -> tuple[int, ...]:
    numbers = fields.raw("removed") if "removed" in fields else ()
    if not isinstance(numbers, list | tuple) or not all(type(one) is int and one > 0 for one in numbers):
        raise fields.fault("removed", "expected an array of numbers from 1 on")
    return _ascending(fields, "removed", tuple(numbers))


def _ascending(fields: Fields, key: str, items: tuple[Any, ...]) -> tuple[Any, ...]:
    if (key in fields and not items) or list(items) != sorted(set(items)) or "" in items:
        raise fields.fault(key, "expected one or more, each once, in order")
    return items


def _one_of(known: tuple[str, ...]) -> Callable[[str, str], str]:
    def check(text: str, place: str) -> str:
        if text not in known:
            raise ValueError(f"expected one of {', '.join(filter(None, known))}, found {text!r}")
        return text

    return check


def _written(act: Act) -> Mapping[str, Any]:
    named = ("user", "file", "project", "version")
    optional: dict[str, Any] = {name: plain(getattr(act, name))[:_MAX_NAME] for name in named}
    optional |= {name: getattr(act, name) for name in ("index", "release", "before", "after")}
    optional |= {"keys": sorted(set(act.keys)), "removed": sorted(set(act.removed))}
    optional["detail"] = _encodable(act.detail)[:MAX_DETAIL]
    kept = {name: value for name, value in optional.items() if value}
    return {"act": act.act, "time": act.time, "outcome": act.outcome, **kept}


def _encodable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
