"""`airlock report`: the transfer dossier, for the person who signs off."""

import argparse
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.session import Session

if TYPE_CHECKING:
    from airlock.airgapped.dossier.facts import Dossier, Medium, SignedBy
    from airlock.airgapped.inspect import Line
    from airlock.airgapped.signatures import Signatures
    from airlock.airgapped.site import Site
    from airlock.cli.carried import Carried
    from airlock.core.digest import Digest
    from airlock.formats.findings import Report
    from airlock.formats.journal import Act
    from airlock.formats.lockfile import Lockfile
    from airlock.kinds.described import Description
    from airlock.storage.archive import Archive

Key = tuple[str, str]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bundle", type=existing, nargs="+", metavar="BUNDLE", help="a bundle, or its volumes or their folders"
    )
    parser.add_argument(
        "--since",
        type=existing,
        metavar="OLD",
        help="the last accepted bundle, or its lock: tell what changed",
    )
    parser.add_argument(
        "--trust", type=existing, metavar="ROOT.JSON", help="verify all of it against this trust root"
    )
    parser.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="a site: its trust root, journal, audit and generation in use",
    )
    parser.add_argument(
        "--lock",
        type=existing,
        metavar="FILE",
        help="the lock of the bundle, which knows where all of it came from",
    )
    parser.add_argument(
        "--audit", type=existing, metavar="FILE", help="a report that `airlock audit -o` wrote"
    )
    parser.add_argument(
        "--journal",
        type=existing,
        metavar="FILE",
        help="default: airlock.journal beside the bundle, or the site's",
    )
    parser.add_argument(
        "--format",
        choices=("html", "md", "json"),
        default="html",
        help="default: html, one page that needs nothing else",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: on stdout")


def run(arguments: argparse.Namespace, session: Session) -> None:
    import sys

    from airlock.storage.atomic import write_atomically

    with ExitStack() as stack:
        site = stack.enter_context(_site(arguments.root))
        data = _spelled(_dossier(arguments, site, session), arguments.format).encode()
    if arguments.output:
        write_atomically(arguments.output, data)
        session.reporter.note(f"written to {arguments.output}")
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


@contextmanager
def _site(root: Path | None) -> "Iterator[Site | None]":
    from airlock.cli.far_side import opened

    if root is None:
        yield None
        return
    with opened(root) as site:
        yield site


def _spelled(dossier: "Dossier", form: str) -> str:
    if form == "html":
        from airlock.airgapped.dossier.page import dossier_page

        return dossier_page(dossier)
    if form == "md":
        from airlock.airgapped.dossier.markdown import dossier_markdown

        return dossier_markdown(dossier)
    import json

    from airlock.airgapped.dossier.document import dossier_document

    return json.dumps(dossier_document(dossier), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _dossier(arguments: argparse.Namespace, site: "Site | None", session: Session) -> "Dossier":
    from airlock.airgapped.dossier.facts import Dossier, Known, about, changes_of, items_of
    from airlock.airgapped.export import read_index
    from airlock.airgapped.inspect import inspect
    from airlock.cli.carried import carried
    from airlock.core.digest import digest_of_stream
    from airlock.storage.archive import Archive

    with carried(arguments.bundle, session.reporter) as file:
        archive = Archive(file.stream, file.where)
        index = read_index(archive)
        checked, warnings = _verified(arguments, site, file, archive, session)
        summary = inspect(file.stream, file.where, sizes=False)
        since, before, earlier = _earlier(arguments.since, site, index.target.name)
        lock = _lock(arguments.lock)
        known = Known(descriptions=_descriptions(archive), earlier=earlier, origins=_origins(lock))
        signed = _signed(archive)
        media = _media(arguments.bundle)
        file.stream.seek(0)
        digest, size = digest_of_stream(file.stream)
        names = frozenset({Path(file.where).name, *(path.name for path in arguments.bundle)})
    assert summary.index is not None, "a bundle has one"
    return Dossier(
        file=summary_name(arguments.bundle, file.where),
        size=size,
        digest=digest,
        project=index.project,
        target=index.target,
        index=summary.index,
        items=items_of(summary.lines, known),
        health=index.health,
        activation=index.activation,
        exceptions=index.exceptions,
        documents=index.documents,
        since=since,
        changes=changes_of(before, summary.lines, known) if since else (),
        signed=signed,
        checked=checked,
        warnings=warnings,
        media=media,
        audit=_audit(arguments.audit, site),
        acts=about(_acts(arguments, site), summary.index, names),
        cutoff=lock.cutoff.instant if lock and lock.cutoff else "",
    )


def summary_name(paths: Sequence[Path], where: str) -> str:
    """The file without its folder, which is no matter of the dossier."""
    return where if len(paths) > 1 else Path(where).name


def _verified(
    arguments: argparse.Namespace, site: "Site | None", file: "Carried", archive: "Archive", session: Session
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What was checked, and what it warns of; nothing where nobody says whom to trust. Raises IntegrityError."""
    from airlock.airgapped.verify import verify
    from airlock.cli.far_side import read_trust_root, root_for

    if site is None and arguments.trust is None:
        return (), ()
    root = root_for(site, arguments.trust) if site else read_trust_root(arguments.trust)
    bundle = verify(archive, root, session.now(), file.reopen)
    return bundle.checked, bundle.signed.warnings


def _earlier(
    path: Path | None, site: "Site | None", target: str
) -> "tuple[str, Sequence[Line], Mapping[Key, Description]]":
    """What the bundle is compared with: a file, else what the site has in use."""
    from airlock.airgapped.inspect import inspect, lines_of
    from airlock.storage.kit import open_carried

    if path is None:
        current = site.current_generation() if site else None
        if site is None or current is None:
            return "", (), {}
        what = f"{current.project} {current.version}, generation {current.number}"
        return what, lines_of(site.index(current.index)), {}
    with open_carried(path) as stream:
        summary = inspect(stream, str(path), sizes=False)
        name = f"{summary.project.name} {summary.project.version}"
        if summary.what == "lock":
            lines = [line for line in summary.lines if target in line.targets]
            return name, [replace(line, targets=()) for line in lines], {}
        from airlock.storage.archive import Archive

        return (
            name,
            summary.lines,
            _descriptions(Archive(stream, str(path))) if summary.what == "bundle" else {},
        )


def _descriptions(archive: "Archive") -> "Mapping[Key, Description]":
    """What each artifact of a bundle says of itself."""
    from airlock.airgapped.export import members_of, read_index
    from airlock.kinds import Library
    from airlock.kinds.described import Describes
    from airlock.kinds.registry import kind_named
    from airlock.storage.store import Store

    def no_network() -> object:
        raise AssertionError("descriptions are read from the bundle")

    entries = {entry.artifact.digest: entry for entry in read_index(archive).entries}
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        library = Library(
            cache=Path(scratch),
            store=Store(Path(scratch)),
            near=no_network,  # type: ignore[arg-type]
            contents=lambda artifact: members_of(archive, entries[artifact.digest]),
        )
        for entry in entries.values():
            kind = kind_named(entry.artifact.kind, f"{archive.where}: {entry.artifact.label}")
            if isinstance(kind, Describes):
                found[entry.artifact.key] = kind.described(entry.artifact, library)
    return found


def _lock(path: Path | None) -> "Lockfile | None":
    from airlock.cli.workshop import read_lock

    return read_lock(path) if path else None


def _origins(lock: "Lockfile | None") -> "Mapping[Digest, str]":
    """Where each came from, and who published it as its index says; in the words of the lock."""
    keys = ("index", "publisher", "repository", "url", "path", "source", "sdist", "reference")
    return {
        one.artifact.digest: " ".join(one.artifact.origin[key] for key in keys if key in one.artifact.origin)
        for one in (lock.artifacts if lock else ())
    }


def _signed(archive: "Archive") -> "tuple[SignedBy, ...]":
    from airlock.airgapped.signatures import signatures

    report = signatures(archive)
    found = [report.release] if report.release else []
    return tuple(_signatures(one) for one in [*found, *report.approvals])


def _signatures(one: "Signatures") -> "SignedBy":
    from airlock.airgapped.dossier.facts import SignedBy
    from airlock.cli.trust import sentence
    from airlock.formats.trust import spelled

    return SignedBy(
        title=f"Approval by {one.approver}" if one.approver else "Release",
        approver=one.approver,
        state=sentence(one.quorum) if one.quorum else "",
        keys=tuple((signer.key, signer.state) for signer in one.signers),
        counter=one.counter,
        made=spelled(one.made) if one.made else "",
        expires=spelled(one.expires),
        fault=one.fault,
    )


def _media(paths: Sequence[Path]) -> "tuple[Medium, ...]":
    """Every disc of a set, those that are not at hand too."""
    from airlock.airgapped.dossier.facts import Medium
    from airlock.cli.carried import is_set
    from airlock.formats.trust import short_form
    from airlock.storage.volume_set import open_set

    if not is_set(paths):
        return ()
    with closing(open_set(paths)) as volumes:
        table = volumes.table
        return tuple(
            Medium(label=table.label(number), size=table.share(number), aloud=short_form(volumes.identity))
            for number in range(1, table.count + 1)
        )


def _audit(path: Path | None, site: "Site | None") -> "Report | None":
    from airlock.airgapped.audit.recorded import last_report
    from airlock.formats.findings import parse_report

    if path:
        return parse_report(path.read_bytes(), str(path))
    return last_report(site) if site else None


def _acts(arguments: argparse.Namespace, site: "Site | None") -> "Iterable[Act]":
    from airlock.formats.journal import NAME
    from airlock.storage.journal import read_sound

    if site is not None and arguments.journal is None:
        return site.sound_journal()[0].acts
    path = arguments.journal or arguments.bundle[0].absolute().parent / NAME
    return read_sound(path)[0].acts if path.is_file() else ()
