"""Addresses in texts, and what they are likely to be for."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_SCHEMES = frozenset(
    {
        *(
            "http",
            "https",
            "ws",
            "wss",
            "ftp",
            "ftps",
            "grpc",
            "grpcs",
            "amqp",
            "amqps",
            "mqtt",
            "mqtts",
            "tcp",
            "udp",
        ),
        *("redis", "rediss", "postgres", "postgresql", "mysql", "ldap", "ldaps", "kafka", "nats", "opc.tcp"),
    }
)
_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9.+]{1,12})$")
_REST = re.compile(rb"[^\s\"'<>`\\{}|^\[\]()]{3,300}")
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
    line, position, at = 1, 0, text.find(b"://")
    while at >= 0:
        scheme, rest = _SCHEME.search(text, max(at - 14, 0), at), _REST.match(text, at + 3)
        if scheme and rest and (found := _endpoint(scheme[1], rest[0])):
            line += text.count(b"\n", position, at)
            position = at
            yield found._replace(line=line)
        at = text.find(b"://", at + 3)


def _endpoint(scheme: bytes, rest: bytes) -> Endpoint | None:
    """On line 0; None for what is no address, or nobody's."""
    name, text = scheme.decode().lower(), rest.rstrip(b".,;:").decode(errors="replace")
    host = _HOST.match(text) if name in _SCHEMES else None
    if host is None or _HARMLESS.fullmatch(host[1]):
        return None
    return Endpoint(host[1].lower(), f"{name}://{text}", 0, _purpose(host[1], text[host.end() :]))


def _purpose(host: str, path: str) -> str:
    words = set(_WORD.findall(f"{host} {path.partition('?')[0]}".lower()))
    return next((purpose for purpose, telling in _PURPOSES.items() if words & telling), "")
