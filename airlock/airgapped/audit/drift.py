"""What changed in a generation since it was installed: the comparison that plans rest on, over what lies there now."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from airlock.core.paths import SafePath
from airlock.core.tree import Change, FileEntry, LinkEntry, Tree, changes
from airlock.formats.findings import Details, Finding, found
from airlock.storage.tree_scan import Scan

IsEditable = Callable[[str], bool]
"""Whether people are expected to edit what an artifact, by its label, puts on the target."""
Head = Callable[[SafePath], bytes]
"""The first bytes of a file that lies there."""
_CACHE = "__pycache__"
_PYC_HEAD = 16
"""Bytes before the code (PEP 552): magic number, flags, then time and size of the source, or its hash."""
_BY_HASH, _CHECKED = 1, 2


def drift_findings(
    tree: Tree, owners: Mapping[SafePath, str], scan: Scan, is_editable: IsEditable, head: Head
) -> Iterator[Finding]:
    added: list[SafePath] = []
    for change in changes(tree, scan.tree):
        if change.before is None:
            added.append(change.path)
        else:
            label = owners.get(change.path, "")
            yield _changed(change, label, is_editable(label))
    yield from _added(tree, scan.tree, added, head)
    for path, what in scan.odd:
        yield found("drift/special", f"is {what}" if what.startswith("a ") else what, path=path)
    for path in scan.writable:
        yield found("drift/writable", "others than the owner may write into this folder", path=path)


def _changed(change: Change, label: str, editable: bool) -> Finding:
    before, after = change.before, change.after
    where: Details = {"artifact": label, "path": change.path}
    match before, after:
        case _, None:
            return found("drift/missing", "was installed, and is gone", **where)
        case FileEntry(), FileEntry() if before.digest == after.digest:
            message = f"has the mode {after.mode:04o}, and was installed with {before.mode:04o}"
            return found("drift/mode", message, **where)
        case FileEntry(), FileEntry():
            evidence = [f"installed {before.digest}, {before.size} bytes, mode {before.mode:04o}"]
            evidence += [f"now {after.digest}, {after.size} bytes, mode {after.mode:04o}"]
            if editable:
                message = "configuration was edited after it was installed"
                return found("drift/edited", message, **(where | {"evidence": evidence}))
            return found("drift/changed", "is not what was installed", **(where | {"evidence": evidence}))
        case LinkEntry(), LinkEntry():
            message = f"leads to {after.target}, and was installed to lead to {before.target}"
            return found("drift/relinked", message, **where)
        case _, LinkEntry():
            return found("drift/relinked", f"became a link to {after.target}", **where)
    return found("drift/relinked", "was installed as a link, and is a file", **where)


def _added(tree: Tree, now: Tree, paths: list[SafePath], head: Head) -> Iterator[Finding]:
    """What nothing placed; a folder of such things is told once. Byte code beside its source is what Python writes."""
    folders = {str(parent) for path in tree for parent in PurePosixPath(path).parents}
    told: dict[str, list[SafePath]] = {}
    compiled: list[SafePath] = []
    for path in paths:
        if _source_of(path) in tree:
            if unchecked(head(path)):
                message = "is byte code that Python runs without a look at the source beside it"
                yield found("drift/bytecode-unchecked", message, path=path)
            else:
                compiled.append(path)
            continue
        told.setdefault(_topmost_new(path, folders), []).append(path)
    for top, inside in sorted(told.items()):
        yield _new(top, inside, now)
    if compiled:
        message = f"Python wrote byte code for {len(compiled)} of the files beside them"
        yield found("drift/bytecode", message, name=_CACHE, evidence=compiled[:5])


def _new(top: str, inside: list[SafePath], now: Tree) -> Finding:
    if inside == [top]:
        entry = now[inside[0]]
        what = f"a link to {entry.target}" if isinstance(entry, LinkEntry) else "a file"
        return found("drift/added", f"is {what} that nothing installed", path=top)
    message = f"is a folder of {len(inside)} files that nothing installed"
    return found("drift/added", message, path=top, evidence=inside)


def _topmost_new(path: SafePath, folders: set[str]) -> str:
    """The path, or the highest folder above it in which nothing was installed."""
    parents = [str(parent) for parent in PurePosixPath(path).parents][-2::-1]
    return next((parent for parent in parents if parent not in folders), path)


def _source_of(path: SafePath) -> SafePath | None:
    """`a/b.py` for `a/__pycache__/b.cpython-311.pyc` (PEP 3147)."""
    parts = path.split("/")
    if len(parts) < 2 or parts[-2] != _CACHE or not parts[-1].endswith(".pyc"):
        return None
    return SafePath("/".join([*parts[:-2], parts[-1].partition(".")[0] + ".py"]))


def unchecked(head: bytes) -> bool:
    """Whether byte code says that its source need not be compared (PEP 552)."""
    flags = int.from_bytes(head[4:8], "little") if len(head) >= _PYC_HEAD else 0
    return flags & (_BY_HASH | _CHECKED) == _BY_HASH
