"""TUF metadata (specification 1.0) as it crosses the gap: the trust root and the signed targets of one bundle.

A bundle is one consistent snapshot that is carried by hand, so TUF's `snapshot` and `timestamp` metadata, which tie
together what a client downloads at different moments, are not used.
"""

import re
from datetime import UTC, datetime
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata, Root, TargetFile, Targets
from tuf.api.serialization import DeserializationError

from airlock.core.digest import Digest
from airlock.errors import IntegrityError
from airlock.formats.index import BundleIndex

TARGETS = "trust/targets.json"
"""The archive member that holds the signatures over the index."""

MAX_METADATA = 1 << 20
"""Bytes of one metadata file."""

_HEX = re.compile(r"[0-9a-f]+")
_ROOT_LINK = re.compile(r"trust/([1-9][0-9]{0,5})\.root\.json")


def root_link(version: int) -> str:
    """The archive member that carries this version of the root to sites that have the one before."""
    return f"trust/{version}.root.json"


def is_trust_member(name: str) -> bool:
    return name == TARGETS or _ROOT_LINK.fullmatch(name) is not None


def target_path(index: BundleIndex) -> str:
    """What the index of a bundle is called in TUF's targets."""
    return f"{index.project.name}-{index.project.version}-{index.target.name}/index.json"


def parse_root(data: bytes, where: str) -> Metadata[Root]:
    """Read a trust root. Its signatures are not looked at. Raises IntegrityError."""
    metadata = _parse(data, where, "root")
    if not isinstance(metadata.signed, Root):
        raise _other_role(where, "root", metadata)
    return metadata


def parse_targets(data: bytes, where: str) -> Metadata[Targets]:
    """Read the signed targets. Whether signatures hold is not looked at. There is one spelling, so that no byte can be
    changed unseen. Raises IntegrityError."""
    metadata = _parse(data, where, "targets")
    if not isinstance(metadata.signed, Targets):
        raise _other_role(where, "targets", metadata)
    spellings = [signature.signature for signature in metadata.signatures.values()]
    if write_metadata(metadata) != data or not all(_HEX.fullmatch(text) for text in spellings):
        raise IntegrityError(where, "not spelled as airlock writes it", hint="sign it again")
    return metadata


def _parse(data: bytes, where: str, role: str) -> Metadata[Any]:
    if len(data) > MAX_METADATA:
        expected = f"at most {MAX_METADATA} bytes"
        raise IntegrityError(where, "too large", expected=expected, found=f"{len(data)} bytes")
    try:
        return Metadata.from_bytes(data)
    except DeserializationError as error:
        cause = error.__cause__ or error
        why = f"{cause} is missing" if isinstance(cause, KeyError) else str(cause)
        raise IntegrityError(where, f"not TUF {role} metadata: {why}") from error


def _other_role(where: str, expected: str, metadata: Metadata[Any]) -> IntegrityError:
    return IntegrityError(where, "metadata of another role", expected=expected, found=metadata.signed.type)


def verified_root(data: bytes, where: str) -> Metadata[Root]:
    """A trust root that is signed by the threshold of its own root keys. Raises IntegrityError."""
    metadata = parse_root(data, where)
    check_signatures(metadata, metadata.signed, "root", where)
    return metadata


def check_signatures(metadata: Metadata[Any], signer: Root, role: str, where: str) -> tuple[str, ...]:
    """The ids of the keys of `role` that signed. Raises IntegrityError where they are fewer than `signer` demands."""
    result = signer.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    if not result:
        raise IntegrityError(
            where,
            "not signed by enough trusted keys",
            expected=f"{result.threshold} of the {role} keys {_short(result.signed | result.unsigned)}",
            found=f"{len(result.signed)} of them, among the signers {_short(metadata.signatures)}",
            hint="ask the sender who signed it, and compare key ids; never install it unsigned",
        )
    return tuple(sorted(result.signed))


def _short(keys: dict[str, Any] | dict[str, Key]) -> str:
    return ", ".join(sorted(identity[:8] for identity in keys)) or "nobody"


def signed_index(metadata: Metadata[Targets], where: str) -> TargetFile:
    """The one target of a bundle. Raises IntegrityError."""
    targets = list(metadata.signed.targets.values())
    if len(targets) != 1 or metadata.signed.delegations is not None:
        found = f"{len(targets)} targets"
        raise IntegrityError(where, "not the metadata of a bundle", expected="one target", found=found)
    if set(targets[0].hashes) != {"sha256"}:
        found = ", ".join(sorted(targets[0].hashes))
        raise IntegrityError(where, "signs a digest that may be weak", expected="sha256 alone", found=found)
    return targets[0]


def write_metadata(metadata: Metadata[Any]) -> bytes:
    """The file's bytes, keys sorted; signatures are over the canonical form of the signed part, not over these."""
    return metadata.to_bytes() + b"\n"


def moment(seconds: int) -> datetime:
    """Seconds since the epoch as TUF wants them."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def short_form(digest: Digest) -> str:
    """The first 16 hex digits in groups of four, for two people to compare aloud."""
    text = digest.removeprefix("sha256:")[:16]
    return " ".join(text[start : start + 4] for start in range(0, 16, 4))
