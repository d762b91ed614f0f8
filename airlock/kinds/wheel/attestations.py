"""Who an index says published a file (PEP 740), in plain words for the lock.

The identity is the index's word: it checked the signatures when the file was uploaded. What is recorded here makes a change
of it visible, in the lock's diff and as a warning.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from airlock.errors import FetchError
from airlock.kinds import NearSide

KEYS = ("publisher", "repository", "workflow")
"""As in the lock's `origin`."""
_WORKFLOWS = ("workflow", "workflow_filepath", "email")
_MAX = 300
"""Characters of one word."""


def read_publisher(url: str, file: str, near: NearSide) -> dict[str, str]:
    """`publisher` (the kind), `repository` and `workflow` (for some kinds an e-mail address) of the first publisher; empty
    where there is none that makes sense. Raises FetchError."""
    reply = near.web.get(url, {"Accept": "application/vnd.pypi.integrity.v1+json, application/json;q=0.9"})
    if reply.status in (404, 410):
        return {}
    if reply.status != 200:
        raise FetchError(f"{file}: attestations", "the server refused", found=f"HTTP status {reply.status}")
    try:
        document = json.loads(reply.content())
    except (ValueError, RecursionError):
        return {}
    for bundle in _list(_get(document, "attestation_bundles")):
        publisher = _get(bundle, "publisher")
        if found := {key: word for key, word in zip(KEYS, _words(publisher), strict=True) if word}:
            return found
    return {}


def _words(publisher: object) -> tuple[str, str, str]:
    workflows = (_word(_get(publisher, key)) for key in _WORKFLOWS)
    return (
        _word(_get(publisher, "kind")),
        _word(_get(publisher, "repository")),
        next((word for word in workflows if word), ""),
    )


def _get(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _list(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else ()


def _word(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(character for character in value if character.isascii() and character.isprintable())[:_MAX]


def shown(origin: Mapping[str, str]) -> str:
    return " ".join(origin[key] for key in KEYS if key in origin)


def change(name: str, version: str, before: Mapping[str, str], after: Mapping[str, str]) -> str | None:
    """What to tell where the publisher of a package is not the one of the lock before."""
    old, new = shown(before), shown(after)
    if not old or old == new:
        return None
    if not new:
        return f"{name} {version} has no attestation of its publisher any more, was {old}"
    return f"{name} {version} has another publisher than before: {new}, was {old}"
