"""What an audit found: `airlock-audit/1`, kept at a site as `state/audit.json`, and read again as a baseline."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal, TypedDict, Unpack, cast

from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import Digest, digest_of, hex_of
from airlock.core.fields import Fields
from airlock.core.plain import plain
from airlock.errors import IntegrityError
from airlock.formats.journal import LAST
from airlock.formats.rows import plain_text
from airlock.formats.rules import CLASSES, RULES, SEVERITIES, Severity

FORMAT = "airlock-audit/1"
MAX_EVIDENCE = 40
"""Lines with one finding."""
MAX_TEXT = 2_000
"""Characters of a line."""
Standing = Literal["open", "excepted", "known"]
STANDINGS: tuple[Standing, ...] = ("open", "excepted", "known")
SUBJECTS = ("site", "bundle", "lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found; make it with `found`."""

    rule: str
    """A name in RULES."""
    severity: Severity
    artifact: str
    """The label of the artifact that it lies in, as `wheel numpy 2.0.0`; empty where it belongs to none."""
    path: str
    """Below the generation, or absolute where it lies outside; empty where there is none."""
    line: int
    """From 1; 0 where there is none."""
    name: str
    """What it is about: a module, a library, an address, a program."""
    message: str
    """A sentence, which says all of it."""
    evidence: tuple[str, ...] = ()
    """Where else, by whom, with which stack."""
    standing: Standing = "open"
    """`excepted`: airlock.toml declares it, with a reason. `known`: it was in the baseline."""
    reason: str = ""
    """Of the exception."""

    @property
    def category(self) -> str:
        """Its class, which has an exit code."""
        return self.rule.partition("/")[0]

    @property
    def fingerprint(self) -> str:
        """The same for the same thing in another version or on another line: 32 hex digits."""
        kind_and_name = " ".join(self.artifact.split(" ")[:2])
        return hex_of(digest_of(dumps([self.rule, kind_and_name, self.name or self.path])))[:32]


class Details(TypedDict, total=False):
    """What is told of a finding besides its rule and message; as in Finding."""

    artifact: str
    path: str
    line: int
    name: str
    evidence: Iterable[str]
    severity: Severity


def found(rule: str, message: str, **details: Unpack[Details]) -> Finding:
    """A finding, of the severity of its rule unless another is given. What comes from files is shown on terminals: it is
    spelt out here, and cut."""
    return Finding(
        rule=rule,
        severity=details.get("severity", RULES[rule].severity),
        artifact=_line(details.get("artifact", "")),
        path=_line(details.get("path", "")),
        line=details.get("line", 0),
        name=_line(details.get("name", "")),
        message=_line(message),
        evidence=tuple(_line(one) for one in islice(details.get("evidence", ()), MAX_EVIDENCE)),
    )


def _line(text: str) -> str:
    shown = plain(text.encode(errors="backslashreplace").decode())
    return shown if len(shown) <= MAX_TEXT else shown[: MAX_TEXT - 1] + "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The application that was watched."""

    command: tuple[str, ...]
    exit_code: int
    """Its own; 128 and the signal where one ended it."""
    means: tuple[str, ...]
    """What it was watched with, as `network namespace`, `strace 6.1`, `audit hook`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisories:
    """A database of advisories that somebody carried here."""

    file: str
    digest: Digest
    modified: str
    """The newest change of a record in it, RFC 3339; empty where no record tells."""
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`findings` are in order, open ones and others."""

    subject: str
    """One of SUBJECTS."""
    project: str
    version: str
    target: str
    index: Digest | None
    """Of the bundle; None for a lock, which has none yet."""
    generation: int
    """0 but for a site."""
    time: int
    """Seconds since the epoch, by the clock of the side that audited."""
    findings: tuple[Finding, ...]
    ran: Ran | None = None
    advisories: Advisories | None = None

    def open(self, least: Severity = "note") -> tuple[Finding, ...]:
        """What neither an exception nor the baseline has, from that severity on."""
        grave = SEVERITIES[: SEVERITIES.index(least) + 1]
        return tuple(one for one in self.findings if one.standing == "open" and one.severity in grave)

    def exit_code(self, least: Severity = "warning") -> int:
        """0 where nothing is open from that severity on, else that of the first class in the order of CLASSES."""
        open_classes = {one.category for one in self.open(least)}
        return next((code for name, code in CLASSES.items() if name in open_classes), 0)

    def counts(self) -> Mapping[str, int]:
        """Open findings by severity, each there."""
        counted = Counter(one.severity for one in self.open())
        return {severity: counted[severity] for severity in SEVERITIES}


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The gravest first; each once."""
    return tuple(sorted(dict.fromkeys(findings), key=_order))


def _order(one: Finding) -> tuple[Any, ...]:
    place = (one.artifact, one.path, one.line, one.name, one.message)
    return SEVERITIES.index(one.severity), list(CLASSES).index(one.category), one.rule, *place


def write_report(report: Report) -> bytes:
    return dumps(document(report))


def document(report: Report) -> dict[str, Any]:
    """What `write_report` and `--json` tell. What is empty is left out."""
    told: dict[str, Any] = {
        "format": FORMAT,
        "subject": report.subject,
        "project": report.project,
        "version": report.version,
        "target": report.target,
        "time": report.time,
        "findings": [_row(one) for one in report.findings],
    }
    if report.index:
        told["index"] = report.index
    if report.generation:
        told["generation"] = report.generation
    if ran := report.ran:
        told["ran"] = {"command": list(ran.command), "exit_code": ran.exit_code, "means": list(ran.means)}
    if base := report.advisories:
        told["advisories"] = {
            "file": base.file,
            "digest": base.digest,
            "modified": base.modified,
            "records": base.records,
        }
    return told


def _row(one: Finding) -> dict[str, Any]:
    row: dict[str, Any] = {
        "rule": one.rule,
        "severity": one.severity,
        "message": one.message,
        "standing": one.standing,
        "fingerprint": one.fingerprint,
    }
    for key in ("artifact", "path", "line", "name", "reason"):
        if value := getattr(one, key):
            row[key] = value
    if one.evidence:
        row["evidence"] = list(one.evidence)
    return row


def parse_report(data: bytes, where: str) -> Report:
    """Read what `write_report` wrote. Raises IntegrityError with the place of the fault."""
    fields = Fields(loads(data, where), where, IntegrityError)
    if (given := fields.text("format")) != FORMAT:
        hint = "write it with `airlock audit -o FILE`"
        raise IntegrityError(where, "unknown audit format", expected=FORMAT, found=repr(given), hint=hint)
    report = Report(
        subject=_one_of(fields, "subject", SUBJECTS),
        project=fields.parsed("project", plain_text),
        version=fields.parsed("version", plain_text),
        target=fields.parsed("target", plain_text),
        index=fields.digest("index") if "index" in fields else None,
        generation=fields.integer("generation", 0),
        time=fields.integer("time", limit=LAST),
        findings=tuple(_finding(row) for row in fields.tables("findings")),
        ran=_ran(fields.table("ran")) if "ran" in fields else None,
        advisories=_advisories(fields.table("advisories")) if "advisories" in fields else None,
    )
    for key in ("ran", "advisories"):
        fields.raw(key)
    fields.done()
    return report


def _finding(row: Fields) -> Finding:
    one = Finding(
        rule=_one_of(row, "rule", tuple(RULES)),
        severity=cast("Severity", _one_of(row, "severity", SEVERITIES)),
        artifact=_text(row, "artifact"),
        path=_text(row, "path"),
        line=row.integer("line", 0),
        name=_text(row, "name"),
        message=_text(row, "message"),
        evidence=row.texts("evidence", ()),
        standing=cast("Standing", _one_of(row, "standing", STANDINGS)),
        reason=_text(row, "reason"),
    )
    if row.text("fingerprint") != one.fingerprint:
        raise row.fault("fingerprint", f"expected {one.fingerprint!r}, which follows from the rest")
    row.done()
    return one


def _text(fields: Fields, key: str) -> str:
    return fields.parsed(key, plain_text) if key in fields else ""


def _one_of(fields: Fields, key: str, known: tuple[str, ...]) -> str:
    if (text := fields.text(key)) not in known:
        raise fields.fault(key, f"expected one of {', '.join(known[:12])}, found {text[:80]!r}")
    return text


def _ran(fields: Fields) -> Ran:
    ran = Ran(
        command=fields.texts("command"),
        exit_code=fields.integer("exit_code"),
        means=fields.texts("means"),
    )
    fields.done()
    return ran


def _advisories(fields: Fields) -> Advisories:
    base = Advisories(
        file=fields.parsed("file", plain_text),
        digest=fields.digest("digest"),
        modified=_text(fields, "modified"),
        records=fields.integer("records"),
    )
    fields.done()
    return base


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What was known before: findings by their fingerprints."""

    fingerprints: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, report: Report) -> "Baseline":
        return cls(fingerprints=frozenset(one.fingerprint for one in report.findings))

    def mark(self, one: Finding) -> Finding:
        known = one.standing == "open" and one.fingerprint in self.fingerprints
        return replace(one, standing="known") if known else one
