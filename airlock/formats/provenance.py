"""Where a bundle comes from, in the words of others: an in-toto statement (v1) with SLSA provenance (v1), in a DSSE envelope.

The statement follows from the index alone, so whoever signs the index makes the same one. Sites do not rest on it: TUF metadata
decides. It is for the tools of whoever receives the bundle.
"""

from collections.abc import Sequence
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, VerificationError
from securesystemslib.signer import Key, Signer

from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import digest_of, hex_of
from airlock.errors import IntegrityError
from airlock.formats.index import BundleIndex, write_index
from airlock.formats.rows import write_encoder, write_project, write_target
from airlock.formats.trust import PROVENANCE, target_path

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://slsa.dev/provenance/v1"
_MOST = 512 << 10
"""Bytes."""
BUILD_TYPE = "urn:airlock:bundle:1"
BUILDER = "urn:airlock:build"


def statement(index: BundleIndex) -> bytes:
    """Canonical JSON. The subject is the index, which names every other byte of the bundle; what the bundle consists of is spelt
    out as long as that is not too much to copy to every disc."""
    made = [
        {
            "name": entry.artifact.file,
            "digest": {"sha256": hex_of(entry.artifact.digest)},
            "annotations": {"kind": entry.artifact.kind, "name": entry.artifact.name},
        }
        for entry in index.entries
    ]
    whole = dumps(_statement(index, made))
    return whole if len(whole) <= _MOST else dumps(_statement(index, []))


def _statement(index: BundleIndex, dependencies: list[dict[str, Any]]) -> dict[str, Any]:
    definition: dict[str, Any] = {
        "buildType": BUILD_TYPE,
        "externalParameters": {"project": write_project(index.project), "target": write_target(index.target)},
        "internalParameters": {"encoder": write_encoder(index.encoder)},
    }
    if dependencies:
        definition["resolvedDependencies"] = dependencies
    return {
        "_type": _STATEMENT,
        "subject": [
            {"name": target_path(index), "digest": {"sha256": hex_of(digest_of(write_index(index)))}}
        ],
        "predicateType": _PREDICATE,
        "predicate": {"buildDefinition": definition, "runDetails": {"builder": {"id": BUILDER}}},
    }


def signed_provenance(index: BundleIndex, present: bytes | None, signer: Signer) -> bytes:
    """The envelope, with one more signature where one over the same statement is there."""
    payload = statement(index)
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    if present is not None:
        found = _parsed(present, PROVENANCE)
        if (found.payload, found.payload_type) == (payload, PAYLOAD_TYPE):
            envelope = found
    envelope.sign(signer)
    envelope.signatures = dict(sorted(envelope.signatures.items()))
    return dumps(envelope.to_dict())


def check_provenance(data: bytes, index: BundleIndex, keys: Sequence[Key], where: str) -> int:
    """How many of these keys signed it. Raises IntegrityError where it speaks of another bundle."""
    envelope = _parsed(data, where)
    subject = _subject(envelope.payload, where)
    if envelope.payload_type != PAYLOAD_TYPE or subject != {"sha256": hex_of(digest_of(write_index(index)))}:
        raise IntegrityError(where, "not the provenance of this bundle", hint="sign the bundle again")
    return sum(_signed_by(envelope, key) for key in keys)


def _signed_by(envelope: Envelope, key: Key) -> bool:
    try:
        return bool(envelope.verify([key], 1))
    except (VerificationError, ValueError):
        return False


def _subject(payload: bytes, where: str) -> object:
    try:
        return loads(payload, where)["subject"][0]["digest"]
    except (KeyError, IndexError, TypeError) as error:
        raise IntegrityError(where, "not an in-toto statement") from error


def _parsed(data: bytes, where: str) -> Envelope:
    try:
        return Envelope.from_dict(loads(data, where))
    except (ValueError, KeyError, TypeError, AttributeError, FormatError) as error:
        raise IntegrityError(where, f"not a DSSE envelope, {error}") from error
