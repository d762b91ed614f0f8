"""`airlock approve`: countersign a signed bundle or delta."""

import argparse
import io
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.key import add_passphrase, days
from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from airlock.connected.approve import Approval
    from airlock.storage.archive import Archive

_DAY = 86_400
_MOST_MEMBERS = 100


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=existing, metavar="FILE", help="a signed bundle or delta; verify it first"
    )
    parser.add_argument(
        "--key", type=existing, required=True, metavar="KEY", help="the approver's private key"
    )
    add_passphrase(parser)
    parser.add_argument(
        "--trust",
        type=existing,
        required=True,
        metavar="ROOT.JSON",
        help="the approval root, carried with every version that lies beside it",
    )
    parser.add_argument("--expires-days", type=days, default=365, metavar="N", help="default: 365")
    parser.add_argument(
        "--detached",
        type=Path,
        metavar="OUT",
        help="write the approval to a file of its own, or add it to that file; FILE stays as it is",
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.key import passphrase_of, signer_of
    from airlock.cli.sign import check_writable, open_to_sign, roots_at, to_be_signed
    from airlock.connected.approve import approve
    from airlock.storage.archive import Archive, rewrite
    from airlock.storage.atomic import replacing, write_atomically
    from airlock.storage.kit import bundle_in, rewriting
    from airlock.storage.regular import open_regular

    roots = roots_at(arguments.trust, session)
    hint = "write the approval elsewhere with --detached FILE"
    check_writable(arguments.detached or arguments.file, hint)
    signer = signer_of(arguments.key, passphrase_of(arguments), session)
    now, out = session.now(), arguments.detached
    with ExitStack() as stack:
        stream = stack.enter_context(open_to_sign(arguments.file))
        where, folder = str(arguments.file), arguments.file.absolute().parent
        if out is None:
            target = stack.enter_context(replacing(arguments.file))
            old, new = stack.enter_context(rewriting(stream, where, target, folder))
        else:
            old = bundle_in(stream, where)
        archives = [to_be_signed(old, arguments.file, changed=out is None)]
        if out is not None and out.exists():
            archives.append(Archive(stack.enter_context(open_regular(out)), str(out)))
        approval = approve(archives, signer, roots, now, now + arguments.expires_days * _DAY)
        if out is None:
            rewrite(archives[0], approval.members, new)
        else:
            write_atomically(out, _alone(archives[1:], approval))
    session.record(
        out or arguments.file,
        "sign",
        index=approval.index,
        release=approval.counter,
        keys=approval.quorum.signed,
        detail=f"approved for {approval.approver}",
    )
    _tell(approval, out or arguments.file, arguments.json)


def _alone(before: "list[Archive]", approval: "Approval") -> bytes:
    """The file of its own, which keeps the approvals of others."""
    from airlock.errors import IntegrityError
    from airlock.formats.trust import MAX_METADATA, is_trust_member
    from airlock.storage.archive import ArchiveWriter

    members: dict[str, bytes] = {}
    for one in before:
        for name in one.members:
            if not is_trust_member(name) or len(members) == _MOST_MEMBERS:
                raise IntegrityError(one.where, "not a file of approvals", found=f"member {name}")
            members[name] = one.read(name, MAX_METADATA)
    members |= approval.members
    out = io.BytesIO()
    writer = ArchiveWriter(out)
    for name in sorted(members):
        writer.add_bytes(name, members[name])
    writer.close()
    return out.getvalue()


def _tell(approval: "Approval", output: Path, as_json: bool) -> None:
    from airlock.cli.trust import quorum_document, sentence
    from airlock.formats.trust import short_form

    if as_json:
        print_json(
            {
                "file": str(output),
                "approver": approval.approver,
                "index": approval.index,
                "short": short_form(approval.index),
                "release": approval.counter,
                "quorum": quorum_document(approval.quorum),
            }
        )
        return
    print(f"{output}: approved for {approval.approver}")
    print(f"  {sentence(approval.quorum)}")
    print(f"  release  {approval.counter}")
    print(f"  index    {approval.index}")
    print(f"  aloud    {short_form(approval.index)}")
