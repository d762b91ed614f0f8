"""How volumes are shown: one by what its header says, a set by what is wrong with each."""

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from airlock.airgapped.approvals import Approvals
    from airlock.airgapped.media import SetState
    from airlock.storage.volume import Volume
    from airlock.storage.volume_set import VolumeSet


def verify_volumes(
    arguments: argparse.Namespace, root: bytes, approvals: "Approvals", session: Session
) -> None:
    """Check every byte of every volume, and the signatures of the table that each carries. Returns where the set suffices, and
    warns of every fault that parity makes up for; else tells what each volume is, and raises IntegrityError with every
    fault."""
    from airlock.airgapped.join import check_index
    from airlock.airgapped.media import check_set, refusal, sentences
    from airlock.cli.carried import carried_by
    from airlock.storage.archive import Archive
    from airlock.storage.volume_set import open_set

    with closing(open_set(arguments.file)) as volumes:
        state = check_set(volumes, session.reporter)
        if state.whole or state.enough:
            for line in _lines(volumes, state):
                session.reporter.note(line)
            for fault in sentences(volumes, state):
                session.reporter.warn(fault)
            if not state.whole:
                session.reporter.warn(
                    "it is checked through parity: what is there suffices, with less to spare"
                )
            file = carried_by(volumes)
            check_index(Archive(file.stream, file.where), volumes.table)
            return
        signatures = _signatures(volumes, root, session.now(), approvals)
        if arguments.json:
            print_json(_document(volumes, state) | {"checked": signatures})
        else:
            print(f"{volumes.table.name}: not whole")
            for line in signatures:
                print(f"  checked  {line}")
            for line in _lines(volumes, state):
                print(f"  {line}")
        raise refusal(volumes, state)


def _signatures(volumes: "VolumeSet", root: bytes, now: int, approvals: "Approvals") -> list[str]:
    """What the index and the signatures that each volume has a copy of are worth; a fault in them is told among the others."""
    from airlock.airgapped.verify import verify_index
    from airlock.errors import IntegrityError

    copies = [volume for copies in volumes.volumes.values() for volume in copies]
    best = min(copies, key=lambda volume: len(volume.faults))
    try:
        return list(verify_index(best.archive, root, now, approvals).checked)
    except IntegrityError as error:
        return [f"failed: {error}"]


def _lines(volumes: "VolumeSet", state: "SetState") -> list[str]:
    from airlock.storage.volume_set import numbered

    table = volumes.table
    lines = [f"{table.label(number)}  missing" for number in state.missing]
    for file in state.files:
        found = file.sentence or "good"
        lines.append(f"{table.label(file.number)}  {found}  ({file.where})")
    lines.sort()
    lines += [f"{stray.where}: {stray.why}" for stray in state.strays]
    if table.parity:
        numbers = numbered(range(table.data + 1, table.count + 1))
        lines.append(f"of {table.count} volumes any {table.data} suffice; parity: {numbers}")
    return lines


def _document(volumes: "VolumeSet", state: "SetState") -> dict[str, Any]:
    return {
        "set": volumes.identity,
        "name": volumes.table.name,
        "file": volumes.table.digest,
        "count": volumes.table.count,
        "parity": volumes.table.parity,
        "missing": list(state.missing),
        "enough": state.enough,
        "volumes": [
            {
                "number": file.number,
                "path": file.where,
                "faults": list(file.faults),
                "blocks": list(file.blocks),
            }
            for file in state.files
        ],
        "strays": [{"path": stray.where, "why": stray.why} for stray in state.strays],
    }


def is_volume(paths: Sequence[Path]) -> bool:
    """Whether it is one volume alone that is asked for."""
    from airlock.storage.volume import looks_like_a_volume

    return len(paths) == 1 and not paths[0].is_dir() and looks_like_a_volume(paths[0])


def tell_volume(path: Path, as_json: bool) -> None:
    """What one volume says. Nothing is verified. Raises IntegrityError where it is none."""
    from airlock.storage.volume import Volume

    with closing(Volume(path)) as volume:
        if as_json:
            print_json(_volume_document(volume))
            return
        for line in _volume_lines(volume):
            print(line)


def _volume_document(volume: "Volume") -> dict[str, Any]:
    table = volume.table
    return {
        "what": "volume",
        "of": table.kind,
        "number": volume.number,
        "count": table.count,
        "parity": table.parity,
        "set": volume.header.identity,
        "own": table.lists[volume.number - 1],
        "share": table.share(volume.number),
        "block": table.block,
        "file": {"name": table.name, "size": table.size, "digest": table.digest},
        "index": table.index,
        "belongs_to": _belongs_to(volume),
        "signers": _signers(volume),
        "signatures": [member.name for member in table.members[1:]],
        "faults": list(volume.faults),
    }


def _belongs_to(volume: "Volume") -> str | None:
    """Of which project and version its copy of the index is; None where that is damaged."""
    from airlock.core.canonical_json import MAX_SIZE
    from airlock.errors import IntegrityError
    from airlock.formats.index import INDEX, parse_index

    try:
        index = parse_index(volume.archive.read(INDEX, MAX_SIZE), volume.where)
    except IntegrityError:
        return None
    return f"{index.project.name} {index.project.version} for {index.target.name}"


def _signers(volume: "Volume") -> list[str]:
    """The ids of the keys that say they signed it."""
    from airlock.errors import IntegrityError
    from airlock.formats.trust import MAX_METADATA, TARGETS, parse_targets

    if TARGETS not in volume.archive.members:
        return []
    try:
        metadata = parse_targets(volume.archive.read(TARGETS, MAX_METADATA), volume.where)
    except IntegrityError:
        return []
    return sorted(metadata.signatures)


def _volume_lines(volume: "Volume") -> list[str]:
    from airlock.cli.progress import human_size

    document = _volume_document(volume)
    table = volume.table
    parity = f", {table.parity} of them parity" if table.parity else ""
    kind = " (parity)" if volume.number > table.data else ""
    return [
        f"volume {volume.number} of {table.count}{parity}{kind}, of the {table.kind} {table.name}",
        f"set        {volume.header.identity}",
        f"own        {document['own']}",
        f"share      {human_size(document['share'])} of {human_size(table.size)}, blocks of {table.block} bytes",
        f"file       {table.digest}",
        f"index      {document['index']}",
        f"belongs to {document['belongs_to'] or 'what its damaged index does not tell'}",
        f"signed by  {', '.join(key[:8] for key in document['signers']) or 'nobody'} (not verified)",
        *(f"fault      {fault}" for fault in volume.faults),
    ]
