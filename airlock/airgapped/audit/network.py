"""Addresses that configuration and code name: not proof of anything, but what somebody has to judge before it is behind a gap."""

from collections import defaultdict
from collections.abc import Callable, Iterator

from airlock.core.endpoints import Endpoint, endpoints
from airlock.core.paths import SafePath
from airlock.core.tree import FileEntry
from airlock.formats.findings import Finding, found
from airlock.kinds.audited import Audited

_MAX_TEXT = 4 << 20
"""Bytes of a text that is looked into."""
_CODE = (
    ".py",
    ".sh",
    ".js",
    ".cfg",
    ".ini",
    ".toml",
    ".conf",
    ".yaml",
    ".yml",
    ".env",
    ".service",
    ".properties",
)
_TESTS = ("/test/", "/tests/", "/testing/", "/docs/", "/examples/")
IsWhole = Callable[[str], bool]
"""Whether an artifact, by its label, is a single file that the project itself carries."""


def network_findings(audited: Audited, is_whole: IsWhole) -> Iterator[Finding]:
    """In what the project itself placed, every address; in code, those that seem to be of an index, an update or telemetry."""
    groups: dict[tuple[str, str, str], list[tuple[SafePath, Endpoint]]] = defaultdict(list)
    for path, entry in sorted(audited.tree.items()):
        label = audited.owners.get(path, "")
        whole = is_whole(label)
        if not isinstance(entry, FileEntry) or not (whole or _is_code(path)):
            continue
        data = audited.read(path, _MAX_TEXT)
        if data is None or b"://" not in data or b"\0" in data[:1024]:
            continue
        for one in endpoints(data):
            if whole or one.purpose:
                groups[label, one.purpose or "endpoint", one.host].append((path, one))
    for (label, purpose, host), places in groups.items():
        yield _told(label, purpose, host, places)


def _is_code(path: SafePath) -> bool:
    return path.endswith(_CODE) and not any(part in f"/{path}" for part in _TESTS)


_MEANINGS = {
    "index": "of an index, registry or hub",
    "update": "of something that offers updates",
    "telemetry": "of something that collects telemetry",
    "endpoint": "of another machine",
}


def _told(label: str, purpose: str, host: str, places: list[tuple[SafePath, Endpoint]]) -> Finding:
    path, first = places[0]
    message = f"names {first.address}, which seems to be the address {_MEANINGS[purpose]}"
    evidence = dict.fromkeys(f"{place}:{one.line}: {one.address}" for place, one in places)
    rule = f"network/{purpose}"
    return found(rule, message, artifact=label, path=path, line=first.line, name=host, evidence=evidence)
