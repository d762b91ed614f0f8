"""How `airlock inspect --signatures` tells what it found."""

from collections.abc import Iterator
from typing import Any

from airlock.airgapped.signatures import Report, RootState, Signatures
from airlock.cli.trust import quorum_document, sentence
from airlock.formats.trust import short_form, spelled

_TRUST = "trust is decided by `airlock verify`, with a root from elsewhere; roots that a file carries prove nothing"


def lines(report: Report) -> Iterator[str]:
    if report.index:
        yield f"index      {report.index}"
        yield f"aloud      {short_form(report.index)}"
    for name, states in report.roots:
        for state in states:
            yield f"{f'root of {name}' if name else 'root'}, version {state.version}, expires {spelled(state.expires)}"
            yield from (f"  {sentence(quorum)}" for quorum in state.quorums)
    if report.index:
        yield from (
            _section(report.release, "release", within=True) if report.release else ["release: not signed"]
        )
    for one in report.approvals:
        yield from _section(one, f"approval by {one.approver}", within=report.index is not None)
    if not report.approvals:
        yield "approvals: none"
    yield f"({_TRUST})"


def _section(one: Signatures, title: str, *, within: bool) -> Iterator[str]:
    """`within` a bundle, whose index was told."""
    made = f", made {spelled(one.made)}" if one.made else ""
    yield f"{title}: counter {one.counter}{made}, expires {spelled(one.expires)}"
    if one.index and not within:
        yield f"  index    {one.index}"
        yield f"  aloud    {short_form(one.index)}"
    if one.fault:
        yield f"  worthless: {one.fault}"
    yield f"  {sentence(one.quorum) if one.quorum else 'no complete root is carried that says who must sign'}"
    for signer in one.signers:
        gone = f", but taken out in root version {signer.taken_out}" if signer.taken_out else ""
        yield f"  {signer.key}  {signer.state}{gone}"


def document(report: Report) -> dict[str, Any]:
    return {
        "index": report.index,
        "short": short_form(report.index) if report.index else None,
        "release": _document(report.release) if report.release else None,
        "approvals": [{"approver": one.approver} | _document(one) for one in report.approvals],
        "roots": [
            {"approver": name or None} | _root(state) for name, states in report.roots for state in states
        ],
    }


def _document(one: Signatures) -> dict[str, Any]:
    return {
        "counter": one.counter,
        "index": one.index,
        "short": short_form(one.index) if one.index else None,
        "made": spelled(one.made) if one.made else None,
        "expires": spelled(one.expires),
        "signers": [
            {"key": signer.key, "state": signer.state, "taken_out": signer.taken_out}
            for signer in one.signers
        ],
        "quorum": quorum_document(one.quorum) if one.quorum else None,
        "fault": one.fault or None,
    }


def _root(state: RootState) -> dict[str, Any]:
    return {
        "version": state.version,
        "expires": spelled(state.expires),
        "complete": state.complete,
        "quorums": [quorum_document(quorum) for quorum in state.quorums],
    }
