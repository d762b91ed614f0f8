"""TUF metadata (specification 1.0) as it crosses the gap: trust roots, and the signed targets of one bundle.

A bundle is one consistent snapshot that is carried by hand, so TUF's `snapshot` and `timestamp` metadata, which tie
together what a client downloads at different moments, are not used.

There may be several roots. The release root has no name; an approval root has the name of the approver whose signature
a site requires as well. `NAME` below is that name, and "" for the release root.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import Key, SSlibKey
from tuf.api.metadata import Metadata, Root, TargetFile, Targets
from tuf.api.serialization import DeserializationError, SerializationError

from airlock.core.digest import Digest
from airlock.errors import IntegrityError
from airlock.formats.index import BundleIndex

TARGETS = "trust/targets.json"
"""The archive member that holds the signatures over the index."""

PROVENANCE = "trust/provenance.json"
"""The archive member that holds an in-toto statement; no site rests on it."""

MAX_METADATA = 1 << 20
"""Bytes of one metadata file."""

SCHEMES = ("ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384")
"""Of signatures: Ed25519 for key files, ECDSA for what PKCS #11 tokens can do."""

MAX_COUNTER = (1 << 53) - 1
"""The highest release counter and version of a root, as every number in the records of a site."""

_KEYS = {"root": "root keys", "targets": "release keys"}
"""By TUF's role."""
_HEX = re.compile(r"[0-9a-f]+")
_APPROVER = r"[a-z][a-z0-9]{0,39}(?:-[a-z0-9]{1,40}){0,4}"
_ROOT_LINK = re.compile(rf"trust/(?:({_APPROVER})\.)?([1-9][0-9]{{0,5}})\.root\.json")
_APPROVAL = re.compile(rf"trust/({_APPROVER})\.approval\.json")


def approver(text: str, where: str) -> str:
    """The name of an approver. Raises ValueError."""
    if not re.fullmatch(_APPROVER, text):
        raise ValueError(f"{where}: expected a name as `site-security`, found {text!r}")
    return text


def root_link(version: int, name: str = "") -> str:
    """The archive member that carries this version of a root to sites that have the one before."""
    return f"trust/{name}.{version}.root.json" if name else f"trust/{version}.root.json"


def targets_member(name: str) -> str:
    """The archive member that holds the signatures over the index under that root."""
    return f"trust/{name}.approval.json" if name else TARGETS


def root_version(member: str) -> tuple[str, int] | None:
    """Whose root an archive member is, and its version; None where it is no root."""
    found = _ROOT_LINK.fullmatch(member)
    return (found[1] or "", int(found[2])) if found else None


def approver_of(member: str) -> str | None:
    """Whose approval an archive member is, None where it is none."""
    found = _APPROVAL.fullmatch(member)
    return found[1] if found else None


def is_trust_member(name: str) -> bool:
    return name in (TARGETS, PROVENANCE) or bool(_ROOT_LINK.fullmatch(name) or _APPROVAL.fullmatch(name))


def target_path(index: BundleIndex) -> str:
    """What the index of a bundle is called in TUF's targets."""
    return f"{index.project.name}-{index.project.version}-{index.target.name}/index.json"


def parse_root(data: bytes, where: str) -> Metadata[Root]:
    """Read a trust root. Its signatures are not looked at. Raises IntegrityError."""
    if not data.startswith(b"{"):
        what = "a bundle, a delta or approvals" if data[257:262] == b"ustar" else "another file"
        hint = "it is the file trust-root.json that `airlock trust init` made, and the sender handed over"
        raise IntegrityError(where, f"{what}, not a trust root", hint=hint)
    metadata = _parse(data, where, "root")
    if not isinstance(metadata.signed, Root):
        raise _other_role(where, "root", metadata)
    _check_spelling(metadata, data, where)
    for identity, key in metadata.signed.keys.items():
        if identity != key_id(key, where):
            raise IntegrityError(where, "a key under the id of another", found=identity[:8])
    return metadata


def key_id(key: Key, where: str) -> str:
    """What the id of a key must be, so that one key cannot count as two. Raises IntegrityError."""
    try:
        if not isinstance(key, SSlibKey) or key.scheme not in SCHEMES:
            raise ValueError(f"unsupported scheme {key.scheme!r}")
        text = key.keyval["public"]
        public = (
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
            if key.scheme == "ed25519"
            else load_pem_public_key(text.encode())
        )
        made = SSlibKey.from_crypto(public, scheme=key.scheme)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IntegrityError(where, f"not a public key, {error}", found=key.keyid[:8]) from error
    if (made.keytype, made.keyval) != (key.keytype, key.keyval) or key.unrecognized_fields:
        raise IntegrityError(where, "a public key in another spelling", found=key.keyid[:8])
    return made.keyid


def parse_targets(data: bytes, where: str) -> Metadata[Targets]:
    """Read the signed targets. Whether signatures hold is not looked at. There is one spelling, so that no byte can be
    changed unseen. Raises IntegrityError."""
    metadata = _parse(data, where, "targets")
    if not isinstance(metadata.signed, Targets):
        raise _other_role(where, "targets", metadata)
    _check_spelling(metadata, data, where)
    return metadata


def _check_spelling(metadata: Metadata[Any], data: bytes, where: str) -> None:
    spellings = [signature.signature for signature in metadata.signatures.values()]
    if write_metadata(metadata) != data or not all(_HEX.fullmatch(text) for text in spellings):
        raise IntegrityError(where, "not spelled as airlock writes it", hint="sign it again")


def _parse(data: bytes, where: str, role: str) -> Metadata[Any]:
    if len(data) > MAX_METADATA:
        expected = f"at most {MAX_METADATA} bytes"
        raise IntegrityError(where, "too large", expected=expected, found=f"{len(data)} bytes")
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(data)
        _check_types(metadata)
        return metadata
    except (DeserializationError, SerializationError, TypeError) as error:
        cause = error.__cause__ or error
        why = f"{cause} is missing" if isinstance(cause, KeyError) else str(cause)
        raise IntegrityError(where, f"not TUF {role} metadata: {why}") from error


def _check_types(metadata: Metadata[Any]) -> None:
    """What the library takes as it comes. Raises SerializationError where signatures can be over nothing, or TypeError."""
    assert metadata.signed_bytes is not None
    if type(metadata.signed.version) is not int or metadata.signed.version > MAX_COUNTER:
        raise TypeError(f"version: expected a whole number up to {MAX_COUNTER}")
    for identity, signature in metadata.signatures.items():
        if not isinstance(identity, str) or not isinstance(signature.signature, str):
            raise TypeError("signatures: expected strings")
    for role in metadata.signed.roles.values() if isinstance(metadata.signed, Root) else ():
        if type(role.threshold) is not int or not isinstance(role.keyids, list):
            raise TypeError("roles: expected a whole number and an array")
        if not all(
            isinstance(identity, str) and identity in metadata.signed.keys for identity in role.keyids
        ):
            raise TypeError("roles: a key that is not there")


def _other_role(where: str, expected: str, metadata: Metadata[Any]) -> IntegrityError:
    return IntegrityError(where, "metadata of another role", expected=expected, found=metadata.signed.type)


def verified_root(data: bytes, where: str) -> Metadata[Root]:
    """A trust root that is signed by the threshold of its own root keys. Raises IntegrityError."""
    metadata = parse_root(data, where)
    check_signatures(metadata, metadata.signed, "root", where)
    return metadata


def check_signatures(
    metadata: Metadata[Any], signer: Root, role: str, where: str, keys: str = ""
) -> tuple[str, ...]:
    """The ids of the keys of TUF's `role` that signed; `keys` is what messages call them. Raises IntegrityError where they are
    fewer than `signer` demands."""
    result = signer.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    if not result:
        raise IntegrityError(
            where,
            "not signed by enough trusted keys",
            expected=f"{result.threshold} of the {keys or _KEYS[role]} {_short(result.signed | result.unsigned)}",
            found=f"{len(result.signed)} of them, among the signers {_short(metadata.signatures)}",
            hint="ask the sender who signed it, and compare key ids; never install it unsigned",
        )
    return tuple(sorted(result.signed))


def _short(keys: Mapping[str, object]) -> str:
    return ", ".join(sorted(identity[:8] for identity in keys)) or "nobody"


def signed_index(metadata: Metadata[Targets], where: str) -> TargetFile:
    """The one target of a bundle. Raises IntegrityError."""
    targets = list(metadata.signed.targets.values())
    if len(targets) != 1 or metadata.signed.delegations is not None:
        found = f"{len(targets)} targets"
        raise IntegrityError(where, "not the metadata of a bundle", expected="one target", found=found)
    if metadata.signed.version > MAX_COUNTER:
        expected = f"a release counter up to {MAX_COUNTER}"
        raise IntegrityError(
            where, "cannot be counted", expected=expected, found=str(metadata.signed.version)[:40]
        )
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


def spelled(time: datetime) -> str:
    """For people, in UTC, to the minute."""
    return time.strftime("%Y-%m-%d %H:%MZ")


def short_form(digest: Digest) -> str:
    """The first 16 hex digits in groups of four, for two people to compare aloud."""
    text = digest.removeprefix("sha256:")[:16]
    return " ".join(text[start : start + 4] for start in range(0, 16, 4))
