"""`airlock trust`: make, rotate, sign and show the trust roots that sites pin, and hand a site new ones."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airlock.cli.arguments import existing
from airlock.cli.key import add_passphrase, days
from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Root

    from airlock.connected.trust import RoleChange
    from airlock.formats.trust_chain import Quorum

_DAY = 86_400
DEFAULT = Path("trust-root.json")


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(
        dest="trust_command", metavar="init|rotate|sign|show|accept", required=True
    )
    _configure_init(commands.add_parser("init", help="make a trust root", description="Make a trust root."))
    rotate = "make the next version of a trust root"
    _configure_rotate(commands.add_parser("rotate", help=rotate, description=rotate.capitalize() + "."))
    sign = "add a holder's signature to a trust root"
    signing = commands.add_parser("sign", help=sign, description=sign.capitalize() + ".")
    signing.add_argument("file", type=existing, metavar="ROOT.JSON", help="the version before lies beside it")
    signing.add_argument("--key", type=existing, required=True, metavar="KEY", help="a private root key")
    add_passphrase(signing)
    show = commands.add_parser("show", help="show a trust root", description="Show a trust root.")
    show.add_argument("file", type=existing, metavar="ROOT.JSON")
    show.add_argument("--json", action="store_true", help="tell it as JSON")
    accept = "hand a site new versions of its roots, without a bundle"
    accepting = commands.add_parser("accept", help=accept, description=accept.capitalize() + ".")
    accepting.add_argument(
        "files",
        type=existing,
        nargs="*",
        metavar="ROOT.JSON",
        help="the newest; those that lie beside it come too",
    )
    accepting.add_argument("--root", type=Path, required=True, metavar="DIR", help="the site")
    accepting.add_argument(
        "--require-approval",
        type=existing,
        action="append",
        default=[],
        metavar="ROOT.JSON",
        help="an approval root to demand from now on; may be repeated",
    )


def _configure_init(init: argparse.ArgumentParser) -> None:
    init.add_argument(
        "--root",
        type=existing,
        nargs="+",
        required=True,
        metavar="KEY",
        help="root keys: private ones sign it, of the others the .pub will do",
    )
    init.add_argument(
        "--root-threshold", type=int, default=1, metavar="N", help="how many must sign a root (default: 1)"
    )
    init.add_argument(
        "--release",
        type=existing,
        nargs="+",
        required=True,
        metavar="PUB",
        help="keys that may sign releases, or approve them",
    )
    init.add_argument(
        "--threshold", type=int, default=1, metavar="N", help="how many of them must (default: 1)"
    )
    init.add_argument("--approver", metavar="NAME", help="make an approval root, of this name")
    init.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: trust-root.json, or NAME.json"
    )
    init.add_argument("--expires-days", type=days, default=3650, metavar="N", help="default: 3650")
    _add_expired(init, "warn")
    add_passphrase(init)


def _configure_rotate(rotate: argparse.ArgumentParser) -> None:
    rotate.add_argument("file", type=existing, metavar="ROOT.JSON", help="the newest is taken")
    for name in ("root", "release"):
        rotate.add_argument(
            f"--add-{name}", type=existing, nargs="+", default=[], metavar="PUB", help=f"more {name} keys"
        )
        rotate.add_argument(
            f"--remove-{name}",
            nargs="+",
            default=[],
            metavar="ID",
            help=f"{name} keys that go: ids or .pub files",
        )
    rotate.add_argument("--root-threshold", type=int, metavar="N", help="how many must sign a root")
    rotate.add_argument("--threshold", type=int, metavar="N", help="how many must sign a release")
    rotate.add_argument("--expires-days", type=days, default=3650, metavar="N", help="default: 3650")
    _add_expired(rotate, None)
    rotate.add_argument("--retire", action="store_true", help="of an approval root: sites ask for it no more")
    rotate.add_argument(
        "--key", type=existing, nargs="+", default=[], metavar="KEY", help="sign it with these"
    )
    add_passphrase(rotate)


def _add_expired(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--expired",
        choices=("warn", "refuse"),
        default=default,
        help="what sites do with what has expired by their clock"
        + (f" (default: {default})" if default else ""),
    )


def run(arguments: argparse.Namespace, session: Session) -> None:
    match arguments.trust_command:
        case "init":
            _init(arguments, session)
        case "rotate":
            _rotate(arguments, session)
        case "sign":
            _sign(arguments, session)
        case "accept":
            _accept(arguments, session)
        case _:
            _show(arguments)


def _init(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.key import passphrase_of, public_of, signer_of
    from airlock.connected.trust import Terms, add_signature, make_root
    from airlock.errors import UsageError
    from airlock.formats.trust import parse_root, write_metadata
    from airlock.formats.trust_fields import Policy
    from airlock.storage.new_file import create_new

    passphrase = passphrase_of(arguments)
    private = [path for path in arguments.root if _signs(path)]
    if not private:
        raise UsageError("--root", "no private key among them", hint="one root key has to sign it first")
    signers = [signer_of(path, passphrase, session) for path in private]
    policy = Policy(approver=_approver(arguments.approver), refuse_expired=arguments.expired == "refuse")
    holders = tuple(public_of(path, passphrase) for path in arguments.root if path not in private)
    terms = Terms(
        holders=(*(signer.public_key for signer in signers), *holders),
        threshold=arguments.root_threshold,
        policy=policy,
    )
    release = [public_of(path, passphrase) for path in arguments.release]
    expires = session.now() + arguments.expires_days * _DAY
    output = arguments.output or (Path(f"{policy.approver}.json") if policy.approver else DEFAULT)
    data = make_root(signers[0], release, arguments.threshold, expires, terms)
    metadata = parse_root(data, str(output))
    for signer in signers[1:]:
        add_signature(metadata, signer, None)
    create_new(output, write_metadata(metadata), 0o644)
    session.record(output, "trust", keys=tuple(sorted(metadata.signatures)), detail="made root 1")
    print(output)
    for name, role in _roles(metadata.signed).items():
        print(f"  {name} keys: {role.threshold} of {_short(tuple(sorted(role.keyids)))}")
    _tell_missing(metadata, None, output, session)


def _signs(path: Path) -> bool:
    data = path.read_bytes()
    return b"PRIVATE KEY" in data or b'"uri":' in data


def _approver(name: str | None) -> str:
    from airlock.errors import UsageError
    from airlock.formats.trust import approver

    try:
        return approver(name, "--approver") if name else ""
    except ValueError as error:
        raise UsageError("--approver", str(error).removeprefix("--approver: ")) from error


def _rotate(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.key import passphrase_of, signer_of
    from airlock.connected.trust import Rotation, add_signature, next_root
    from airlock.errors import UsageError
    from airlock.formats.trust import write_metadata
    from airlock.storage.new_file import create_new
    from airlock.storage.root_chain import file_of, read_chain

    chain = read_chain(arguments.file)
    if chain.pending:
        hint = f"`airlock trust sign {chain.pending}`, or remove it"
        raise UsageError(str(chain.pending), "a root that is still to be signed", hint=hint)
    newest = chain.roots[-1]
    passphrase = passphrase_of(arguments)
    rotation = Rotation(
        root=_change(arguments, "root", arguments.root_threshold, passphrase),
        release=_change(arguments, "release", arguments.threshold, passphrase),
        expires=session.now() + arguments.expires_days * _DAY,
        refuse_expired=None if arguments.expired is None else arguments.expired == "refuse",
        retire=arguments.retire,
    )
    metadata = next_root(newest, rotation)
    for path in arguments.key:
        add_signature(metadata, signer_of(path, passphrase, session), newest.signed)
    output = file_of(arguments.file, metadata.signed.version)
    create_new(output, write_metadata(metadata), 0o644)
    detail = f"made root {metadata.signed.version}"
    session.record(output, "trust", keys=tuple(sorted(metadata.signatures)), detail=detail)
    print(output)
    _tell_missing(metadata, newest.signed, output, session)


def _change(
    arguments: argparse.Namespace, name: str, threshold: int | None, passphrase: bytes | None
) -> "RoleChange":
    from airlock.cli.key import public_of
    from airlock.connected.trust import RoleChange

    add = tuple(public_of(path, passphrase) for path in getattr(arguments, f"add_{name}"))
    remove = (_identity(text, passphrase) for text in getattr(arguments, f"remove_{name}"))
    return RoleChange(add=add, remove=tuple(remove), threshold=threshold)


def _identity(text: str, passphrase: bytes | None) -> str:
    """An id as it is, or that of the key in a file."""
    from airlock.cli.key import public_of

    path = Path(text)
    return str(public_of(path, passphrase).keyid) if path.is_file() else text


def _sign(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.key import passphrase_of, signer_of
    from airlock.connected.trust import add_signature
    from airlock.formats.trust import parse_root, write_metadata
    from airlock.storage.atomic import write_atomically
    from airlock.storage.root_chain import read_root

    path: Path = arguments.file
    metadata = parse_root(read_root(path), str(path))
    before = _before(path, metadata.signed.version)
    add_signature(metadata, signer_of(arguments.key, passphrase_of(arguments), session), before)
    write_atomically(path, write_metadata(metadata))
    session.record(path, "trust", keys=tuple(sorted(metadata.signatures)), detail="signed a root")
    print(path)
    _tell_missing(metadata, before, path, session)


def _before(path: Path, version: int) -> "Root | None":
    """The root before a version, where it lies beside it."""
    from airlock.formats.trust import parse_root
    from airlock.storage.root_chain import file_of, read_root

    before = file_of(path, version - 1) if version > 1 else path
    if version == 1 or not before.exists():
        return None
    return parse_root(read_root(before), str(before)).signed


def _tell_missing(metadata: "Metadata[Root]", before: "Root | None", path: Path, session: Session) -> None:
    from airlock.connected.trust import changes
    from airlock.formats.trust_chain import quorums

    print(f"  aloud: {_aloud(metadata)}")
    for line in changes(before, metadata.signed) if before else ():
        print(f"  {line}")
    states = quorums(metadata, before)
    for quorum in states if len(states) > 1 or states[0].threshold > 1 else ():
        print(f"  {sentence(quorum)}")
    if metadata.signed.version > 1 and before is None:
        session.reporter.warn(
            f"version {metadata.signed.version - 1} does not lie beside {path}: its holders may have to sign too"
        )
    elif any(quorum.missing for quorum in states):
        session.reporter.note(f"next: the others run `airlock trust sign {path} --key KEY`")


def _aloud(metadata: "Metadata[Root]") -> str:
    """Of what is signed, for two people to compare: more signatures do not change it."""
    from airlock.core.digest import digest_of
    from airlock.formats.trust import short_form

    return short_form(digest_of(metadata.signed_bytes))


def sentence(quorum: "Quorum") -> str:
    """How far a role's signatures are, and who may still sign."""
    text = f"{len(quorum.signed)} of {quorum.threshold} {quorum.role}"
    if not quorum.missing:
        return f"{text}: complete ({_short(quorum.signed)})"
    return f"{text}: {quorum.missing} missing, from {_short(quorum.unsigned)}"


def _short(keys: tuple[str, ...]) -> str:
    return ", ".join(key[:8] for key in keys) or "nobody"


def _show(arguments: argparse.Namespace) -> None:
    from airlock.formats.trust import parse_root
    from airlock.formats.trust_chain import quorums
    from airlock.formats.trust_fields import read_policy
    from airlock.storage.root_chain import read_root

    path: Path = arguments.file
    metadata = parse_root(read_root(path), str(path))
    root, policy = metadata.signed, read_policy(metadata.signed, str(path))
    states = quorums(metadata, _before(path, root.version))
    if arguments.json:
        print_json(
            _document(root, states)
            | {"approver": policy.approver or None, "retired": policy.retired, "short": _aloud(metadata)}
        )
        return
    what = f"approval root of {policy.approver}" if policy.approver else "trust root"
    retired = ", retired" if policy.retired else ""
    print(f"{path}: {what} version {root.version}, expires {root.expires.date().isoformat()}{retired}")
    print(f"  aloud: {_aloud(metadata)}")
    print(f"  expired metadata: {'refused' if policy.refuse_expired else 'a warning'}")
    for name, role in _roles(root).items():
        print(f"  {name}: {role.threshold} of")
        for key in sorted(role.keyids):
            print(f"    {key}")
    print("  signatures:")
    for quorum in states:
        print(f"    {sentence(quorum)}")


def _roles(root: "Root") -> dict[str, Any]:
    return {"root": root.roles["root"], "release": root.roles["targets"]}


def _document(root: "Root", states: "tuple[Quorum, ...]") -> dict[str, Any]:
    roles = {
        name: {"threshold": role.threshold, "keys": sorted(role.keyids)}
        for name, role in _roles(root).items()
    }
    signatures = [quorum_document(quorum) for quorum in states]
    return {
        "version": root.version,
        "expires": root.expires.date().isoformat(),
        "roles": roles,
        "signatures": signatures,
    }


def quorum_document(quorum: "Quorum") -> dict[str, Any]:
    return {
        "role": quorum.role,
        "threshold": quorum.threshold,
        "signed": list(quorum.signed),
        "unsigned": list(quorum.unsigned),
        "missing": quorum.missing,
    }


def _accept(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.airgapped.accept import accept
    from airlock.cli.far_side import opened, world_of
    from airlock.storage.root_chain import links_of_files, read_root

    demanded = {str(path): read_root(path) for path in arguments.require_approval}
    with opened(arguments.root) as site:
        for line in accept(site, links_of_files(arguments.files), demanded, world_of(session)):
            print(line)
