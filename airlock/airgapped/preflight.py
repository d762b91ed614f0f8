"""Decide whether this machine and site can take a bundle, before anything is written."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from airlock.airgapped.approvals import approval_root
from airlock.airgapped.host import Host, Interpreter
from airlock.airgapped.site import Site
from airlock.airgapped.stage import KindNamed
from airlock.airgapped.verify import SignedIndex
from airlock.core.digest import Digest
from airlock.core.forms.registry import check_codecs, check_known
from airlock.core.target import Target
from airlock.core.tree import Tree
from airlock.errors import IntegrityError, TargetError
from airlock.formats.index import BundleIndex
from airlock.formats.trust import parse_root
from airlock.formats.trust_chain import vouches_for

_RESERVE = 64 << 20
"""Bytes left for records, the journal, directories and rounding up to blocks."""
_RESERVED_INODES = 64
"""For what a site has besides: its folders, records and contents under way."""
_SMALLEST = 512
"""Bytes that a file takes at least in an expanded form."""


def check_machine(index: BundleIndex, frames: int, host: Host) -> Interpreter:
    """Platform, place, interpreter and space; `frames` is their size in bytes. Returns the base interpreter. Raises
    TargetError."""
    target = index.target
    where = f"target {target.name}"
    if not target.on.is_linux:
        hint = "take its wheels out with `airlock export --wheels DIR`, and install them with pip there"
        raise TargetError(where, f"airlock installs on Linux, not on {target.platform}", hint=hint)
    if target.platform not in host.platforms:
        raise TargetError(
            where,
            "made for another platform",
            expected=target.platform,
            found=next((tag for tag in host.platforms if not tag.startswith("linux")), "another system"),
            hint="install the bundle of the target that fits this machine",
        )
    if target.prefix and str(Path(target.prefix).resolve()) != host.root:
        hint = f"install with --root {target.prefix}"
        raise TargetError(where, "made for another root", expected=target.prefix, found=host.root, hint=hint)
    _check_markers(target, host)
    interpreter = _interpreter(target, host)
    needed = sum(entry.expanded.size for entry in index.entries) + frames + _RESERVE
    if host.free < needed:
        raise TargetError(
            host.root,
            "not enough free space",
            expected=f"at least {needed / 1e6:.1f} MB",
            found=f"{host.free / 1e6:.1f} MB",
            hint="free some space, or let go of old generations with `airlock gc`",
        )
    return interpreter


def inodes_may_lack(index: BundleIndex, host: Host) -> bool:
    """Whether so few inodes are left that it is worth counting what is needed, which reads every content: no expanded
    form holds more files than its size allows, each in a folder of its own."""
    most = sum(2 * entry.expanded.size // _SMALLEST + 2 for entry in index.entries) + _RESERVED_INODES
    return host.inodes is not None and host.inodes < most


def check_inodes(tree: Tree, before: Tree, contents: int, host: Host) -> None:
    """For the new `tree`, of which what `before` has as well is shared, and so many new contents. Raises TargetError."""
    folders = {str(parent) for path in tree for parent in PurePosixPath(path).parents}
    fresh = sum(before.get(path) != entry for path, entry in tree.items())
    needed = len(folders) + fresh + contents + _RESERVED_INODES
    if host.inodes is not None and host.inodes < needed:
        raise TargetError(
            host.root,
            "not enough free inodes",
            expected=f"room for {needed} files and folders",
            found=f"room for {host.inodes}",
            hint="remove small files on that file system, or let go of old generations with `airlock gc`",
        )


def check_codecs_of(index: BundleIndex, kinds: KindNamed, held: frozenset[Digest] = frozenset()) -> None:
    """What it takes to read each artifact: its files where its kind opens it, else the original. What is made of contents
    that the site holds is linked, as a rule, so that it need not be known yet what bytes their encoders write: each is asked
    once more before it writes any. Raises TargetError."""
    for entry in index.entries:
        artifact, expanded = entry.artifact, entry.expanded
        opens = kinds(artifact.kind, artifact.label).opens(artifact)
        check = check_known if expanded.digest in held else check_codecs
        check(artifact, expanded.file_codecs if opens else expanded.codecs)


def _check_markers(target: Target, host: Host) -> None:
    """What was locked may depend on the very value that the target states."""
    for name, expected in target.markers:
        if name in host.markers and host.markers[name] != expected:
            raise TargetError(
                f"target {target.name}",
                f"made for another {name}",
                expected=expected,
                found=host.markers[name],
                hint="lock for what `airlock target show` prints on this machine",
            )


def _interpreter(target: Target, host: Host) -> Interpreter:
    for interpreter in host.interpreters:
        if interpreter.fits(target):
            return interpreter
    found = ", ".join(f"{one.implementation} {one.version} at {one.path}" for one in host.interpreters)
    major, minor = target.python_minor
    raise TargetError(
        f"target {target.name}",
        "no Python that fits",
        expected=_expected_python(target),
        found=found or "none",
        hint=f"install python{major}.{minor}, or name it with --python",
    )


def _expected_python(target: Target) -> str:
    major, minor = target.python_minor
    kind = "free-threaded CPython" if target.free_threaded else "CPython"
    if "python_full_version" in target.exact:
        return f"{kind} {target.python_full}, no other"
    return f"{kind} {major}.{minor}, {target.python_full} or newer"


def check_site(site: Site, signed: SignedIndex, allow_downgrade: bool) -> bool:
    """The trust roots, the project and the release counter. Returns whether this is a downgrade, which was then asked for.
    Raises TargetError or IntegrityError."""
    if site.root_of_trust() not in (None, signed.anchor):
        raise IntegrityError(str(site.root), "verified against a trust root that is not the pinned one")
    for name, root in site.approval_roots().items():
        if name not in signed.approvals or signed.approvals[name].anchor != root:
            raise IntegrityError(
                str(site.root), f"verified without the approval by {name} that is demanded here"
            )
    if (current := site.current_generation()) is None:
        return False
    if current.project != signed.index.project.name:
        raise TargetError(
            str(site.root),
            "another project is installed here",
            expected=current.project,
            found=signed.index.project.name,
            hint="one root holds one project: choose another --root",
        )
    return _is_downgrade(site, signed, allow_downgrade)


def _is_downgrade(site: Site, signed: SignedIndex, allowed: bool) -> bool:
    accepted = site.accepted_release()
    where = f"{signed.index.project.name} {signed.index.project.version}"
    if signed.release == accepted and signed.digest not in site.accepted_indexes(accepted):
        if allowed:
            return True
        raise IntegrityError(
            where,
            "signed with the release counter of another bundle, which is installed here",
            expected=f"release counter {accepted + 1} or more",
            found=str(signed.release),
            hint="ask for it to be signed again, later or with a higher --counter",
        )
    if signed.release < accepted and not allowed:
        raise IntegrityError(
            where,
            "signed before what was installed here",
            expected=f"release counter {accepted} or more",
            found=str(signed.release),
            hint="`airlock rollback` goes back; --allow-downgrade installs an old bundle on purpose",
        )
    return signed.release < accepted


def trusted_root(site: Site, given: bytes | None, where: str) -> bytes:
    """The pinned root, or the given one at the first install. Raises TargetError where there is none, IntegrityError
    where one is given that is neither the pinned one nor an earlier version of it."""
    pinned = site.root_of_trust()
    if pinned is None and given is None:
        hint = "give the trust root that the sender handed over, with --trust root.json"
        raise TargetError(str(site.root), "trusts nobody yet", hint=hint)
    if pinned is not None and given is not None:
        _check_given(given, pinned, where, "the trust root")
    chosen = given if pinned is None else pinned
    assert chosen is not None, "one of both is there"
    return chosen


def required_approvals(site: Site, given: Mapping[str, bytes]) -> dict[str, bytes]:
    """The approval roots to demand: the pinned ones, and `given` ones by the names that messages have for them. Raises
    IntegrityError where one that is given is neither the pinned one nor an earlier version of it."""
    required = site.approval_roots()
    for where, data in given.items():
        name = approval_root(data, where).policy.approver
        _check_given(data, required.setdefault(name, data), where, f"the approval root of {name}")
    return required


def _check_given(given: bytes, pinned: bytes, where: str, what: str) -> None:
    """The pinned root decides in any case: this only keeps people from believing that another does."""
    if given == pinned:
        return
    old, new = parse_root(given, where), parse_root(pinned, f"{what} that this site pinned")
    if vouches_for(old, new):
        return
    versions = new.signed.version, old.signed.version
    same, hint = "", f"compare key ids with the sender's (`airlock trust show {where}`), or leave it out"
    if set(old.signed.roles["root"].keyids) & set(new.signed.roles["root"].keyids):
        if versions[1] < versions[0]:
            same, hint = (
                ", but an older version as it seems",
                "leave it out: the site follows its root by itself",
            )
        elif versions[1] > versions[0]:
            same = ", but a newer version as it seems"
            hint = "leave it out; new versions come inside bundles, or by `airlock trust accept`"
    expected, found = (f"version {version}" for version in versions)
    raise IntegrityError(
        where, f"not {what} that this site pinned{same}", expected=expected, found=found, hint=hint
    )
