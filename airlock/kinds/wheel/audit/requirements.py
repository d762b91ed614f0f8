"""`Requires-Dist` that the pins do not meet on their target."""

from collections.abc import Iterator
from typing import NoReturn

from airlock.errors import FetchError
from airlock.formats.findings import Finding, found
from airlock.formats.lockfile import as_lock
from airlock.kinds import Library, Locked
from airlock.kinds.audited import Audited
from airlock.kinds.wheel.audit.wheels import Wheels
from airlock.kinds.wheel.locked import walk
from airlock.storage.store import Store


def requirement_findings(audited: Audited, wheels: Wheels) -> Iterator[Finding]:
    lockfile = as_lock(audited.index)
    library = Library(
        cache=audited.folder, store=Store(audited.folder), near=_no_network, contents=wheels.contents
    )
    walked = walk(Locked(lockfile=lockfile, where="the index"), audited.index.target, library)
    for asked, problem in walked.unmet():
        parent = wheels.by_name.get(asked.parent.name) if asked.parent else None
        label = parent.label if parent else ""
        yield found("python/requirement", problem, artifact=label, name=str(asked.name))


def _no_network() -> NoReturn:
    raise FetchError("audit", "an audit is done without a network")
