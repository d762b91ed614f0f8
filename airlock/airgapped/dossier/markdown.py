"""The dossier as Markdown (CommonMark, with GitHub's tables), for tickets and reviews."""

import re
from collections.abc import Iterable, Iterator

from airlock.airgapped.dossier.facts import Dossier
from airlock.airgapped.dossier.words import audited, counted, runs, standing, told, total, verdicts
from airlock.airgapped.pages import date, difference
from airlock.core.plain import human_size, plain
from airlock.formats.trust import short_form

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def dossier_markdown(dossier: Dossier) -> str:
    return "\n".join(_lines(dossier)) + "\n"


def _lines(dossier: Dossier) -> Iterator[str]:
    project, target = dossier.project, dossier.target
    yield f"# Transfer dossier: {_text(f'{project.name} {project.version}')}"
    yield ""
    yield f"For {_text(target.name)}: Python {target.python} on {_text(target.platform)}."
    yield ""
    for one in verdicts(dossier):
        yield f"- **{one.what}**: {_text(one.short)}{f', {_text(one.more)}' if one.more else ''}"
    yield ""
    yield f"Read aloud: **`{short_form(dossier.index)}`** (index `{dossier.index}`)"
    yield ""
    yield f"File {_text(dossier.file)}, {human_size(dossier.size)}, `{dossier.digest}`; {total(dossier)}."
    yield from (f"Runs there: `{command}`" for command in map(_code, runs(dossier)))
    if dossier.media:
        yield from _section("To print on the discs")
        rows = ((_text(one.label), f"`{one.aloud}`", human_size(one.size)) for one in dossier.media)
        yield from _table(("Disc", "Set", "Size"), rows)
    yield from _changes(dossier)
    yield from _signatures(dossier)
    yield from _audit(dossier)
    yield from _contents(dossier)
    yield from _log(dossier)


def _section(title: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")


def _changes(dossier: Dossier) -> Iterator[str]:
    yield from _section("What changed")
    if not dossier.since:
        yield "Nothing was given to compare with: all of it counts as new."
        return
    yield f"Against {_text(dossier.since)}: {counted(dossier) or 'nothing'}."
    if dossier.changes:
        yield ""
        rows = (
            (
                one.what,
                f"{_text(one.kind)} {_text(one.name)}",
                _text(one.before),
                _text(one.after),
                difference(one.grown),
                _text(
                    f"{one.license_before} → {one.license_after}" if one.license_before else one.license_after
                ),
            )
            for one in dossier.changes
        )
        yield from _table(("", "Artifact", "Before", "After", "Size", "Licence"), rows)


def _signatures(dossier: Dossier) -> Iterator[str]:
    yield from _section("Who signed")
    if dossier.checked:
        yield "Verified against the trust root that was given:"
        yield ""
        yield from (f"- {_text(line)}" for line in dossier.checked)
    elif dossier.signed:
        yield "Not verified: no trust root was given. What follows is what the bundle says of itself."
    else:
        yield "Not signed."
    yield from (f"- note: {_text(line)}" for line in dossier.warnings)
    for one in dossier.signed:
        yield from ("", f"### {_text(one.title)}", "")
        yield f"- {_text(one.fault or one.state or 'no complete root is carried that says who must sign')}"
        yield from (f"- key `{key[:16]}`: {state}" for key, state in one.keys)
        yield f"- release counter {one.counter}{f', made {one.made}' if one.made else ''}, expires {one.expires}"


def _audit(dossier: Dossier) -> Iterator[str]:
    yield from _section("What the audit found")
    if dossier.audit is None:
        yield "No report of `airlock audit` was given."
        return
    yield _text(audited(dossier))
    if told(dossier):
        yield ""
        rows = (
            (standing(one)[0], _text(one.message), _text(one.artifact), _text(one.reason))
            for one in told(dossier)
        )
        yield from _table(("", "Finding", "In", "Reason"), rows)
    if dossier.exceptions:
        yield from ("", "Exceptions that are signed with the bundle:", "")
        yield from (
            f"- {_text(one.rule)} for {_text(one.artifact)}: {_text(one.reason)}"
            for one in dossier.exceptions
        )


def _contents(dossier: Dossier) -> Iterator[str]:
    yield from _section("What crosses")
    if dossier.licenses():
        yield from _table(
            ("Licence", "Artifacts"), ((_text(name), str(number)) for name, number in dossier.licenses())
        )
        yield ""
    rows = (
        (
            f"{_text(one.artifact.kind)} {_text(one.artifact.name)}",
            _text(one.artifact.version),
            _text(one.description.license),
            _text(one.origin),
            human_size(one.carried),
            human_size(one.unpacked),
            f"`{one.artifact.digest.removeprefix('sha256:')}`",
        )
        for one in dossier.items
    )
    yield from _table(
        ("Artifact", "Version", "Licence", "Origin", "In the bundle", "Unpacked", "sha256 of the original"),
        rows,
    )
    if dossier.documents:
        yield from _section("Documents in the bundle")
        documents = (
            (_text(one.name), _text(one.media), human_size(one.size), f"`{one.digest}`")
            for one in dossier.documents
        )
        yield from _table(("Name", "Form", "Size", "Digest"), documents)


def _log(dossier: Dossier) -> Iterator[str]:
    yield from _section("Transfer log")
    if not dossier.acts:
        yield "No line of a journal is about this bundle."
        return
    rows = (
        (date(act.time), act.act, act.outcome, _text(act.user), _text(act.file), _text(act.detail[:200]))
        for act in dossier.acts
    )
    yield from _table(("When", "Act", "Outcome", "By", "File", "Detail"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _text(text: str) -> str:
    """Words from outside, on one line, of which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", plain(text))


def _code(text: str) -> str:
    return plain(text).replace("`", "'")
