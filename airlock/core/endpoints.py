"""Addresses in texts, and what they are likely to be for."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_ADDRESS = re.compile(
    rb"(?i)\b(https?|wss?|ftps?|grpcs?|amqps?|mqtts?|tcp|udp|rediss?|postgres(?:ql)?|ldaps?)://([^\s\"'<>`\\{}|^\[\]()]{3,300})"
)
_HOST = re.compile(
    r"(?i)(?:[^@/]*@)?(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?(?=[/?#]|$)"
)
_WORD = re.compile(r"[a-z]+")
_PURPOSES = {
    "telemetry": frozenset(
        {
            *(
                "telemetry",
                "analytics",
                "tracking",
                "sentry",
                "segment",
                "posthog",
                "mixpanel",
                "amplitude",
                "bugsnag",
            ),
            *(
                "rollbar",
                "crash",
                "crashes",
                "ingest",
                "beacon",
                "honeycomb",
                "datadog",
                "datadoghq",
                "newrelic",
            ),
            *("statsig", "heapanalytics", "webhooks", "otel", "otlp", "fivetran", "scarf"),
        }
    ),
    "update": frozenset({"update", "updates", "upgrade", "upgrades", "appcast", "autoupdate", "latest"}),
    "index": frozenset(
        {"simple", "registry", "hub", "mirror", "mirrors", "index", "cdn", "wheels", "artifactory", "nexus"}
    ),
}
_HARMLESS = re.compile(
    r"(?i)(localhost|127(\.\d+){3}|0\.0\.0\.0|\[::1?\]|(.*\.)?example(\.(com|org|net|edu))?|.*\.(test|invalid|localhost|example))"
)


class Endpoint(NamedTuple):
    host: str
    address: str
    line: int
    purpose: str
    """`index`, `update`, `telemetry`, or empty."""


def endpoints(text: bytes) -> Iterator[Endpoint]:
    """Every address of another machine, in order."""
    line, position = 1, 0
    for match in _ADDRESS.finditer(text):
        rest = match[2].rstrip(b".,;:").decode(errors="replace")
        found = _HOST.match(rest)
        if found is None or _HARMLESS.fullmatch(found[1]):
            continue
        line += text.count(b"\n", position, match.start())
        position = match.start()
        address = f"{match[1].decode().lower()}://{rest}"
        yield Endpoint(found[1].lower(), address, line, _purpose(found[1], rest[found.end() :]))


def _purpose(host: str, path: str) -> str:
    words = set(_WORD.findall(f"{host} {path.partition('?')[0]}".lower()))
    return next((purpose for purpose, telling in _PURPOSES.items() if words & telling), "")
