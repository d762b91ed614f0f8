"""`airlock key new`: an Ed25519 signing key (RFC 8032), its private half in PKCS #8 PEM (RFC 5958)."""

import json
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key, SSlibKey

from airlock.core.canonical_json import dumps
from airlock.errors import UsageError

_PEM = b"-----BEGIN "


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    private: bytes
    """PKCS #8 PEM, encrypted where a passphrase was given."""
    public: bytes
    """JSON: keyid, keytype, scheme and the public value in hex."""


def new_key(passphrase: bytes | None) -> KeyPair:
    private = Ed25519PrivateKey.generate()
    protection: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    )
    return KeyPair(
        private=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection),
        public=write_public(SSlibKey.from_crypto(private.public_key())),
    )


def read_signer(data: bytes, passphrase: bytes | None, where: str) -> CryptoSigner:
    """A private key, ready to sign. Raises UsageError where it is none, or the passphrase is not its own."""
    if b"-----BEGIN" not in data:
        hint = "NAME.key signs and NAME.pub does not: `airlock key new NAME` makes both"
        raise UsageError(where, "not a private key", hint=hint)
    try:
        private = load_pem_private_key(data, passphrase)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        hint = "give the right --passphrase-file, or none where the key has no passphrase"
        raise UsageError(where, f"not a private key that can be read, {error}", hint=hint) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise UsageError(where, "unsupported key", expected="Ed25519", hint="make one with `airlock key new`")
    return CryptoSigner(private)


def write_public(key: Key) -> bytes:
    return dumps({"keyid": key.keyid, **key.to_dict()})


def read_public(data: bytes, passphrase: bytes | None, where: str) -> Key:
    """A public key: a `.pub` file, or the public half of a `.key` file. Raises UsageError."""
    if data.startswith(_PEM):
        return read_signer(data, passphrase, where).public_key
    try:
        fields = json.loads(data)
        identity = fields.pop("keyid")
        key = Key.from_dict(identity, fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        hint = "give the .pub file that `airlock key new` wrote"
        raise UsageError(where, f"not a public key, {error!r}", hint=hint) from error
    if not isinstance(key, SSlibKey) or key.keytype != "ed25519":
        raise UsageError(where, "unsupported key", expected="ed25519", found=key.keytype)
    if key.keyid != (computed := _computed_id(key, where)):
        raise UsageError(where, "key id does not match the key", expected=computed, found=key.keyid)
    return key


def _computed_id(key: SSlibKey, where: str) -> str:
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.keyval["public"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(where, f"not a public key, {error}") from error
    return SSlibKey.from_crypto(public).keyid
