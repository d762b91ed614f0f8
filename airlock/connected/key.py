"""Signing keys: Ed25519 (RFC 8032) in files, the private half in PKCS #8 PEM (RFC 5958), or ECDSA on a PKCS #11 token, of
which a file says where it is."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.exceptions import UnsupportedLibraryError, UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, HSMSigner, Key, Signature, Signer, SSlibKey
from tuf.api.metadata import Metadata

from airlock.core.canonical_json import dumps
from airlock.errors import IntegrityError, UsageError
from airlock.formats.trust import key_id

_PEM = b"-----BEGIN "
_ENCRYPTED = b"-----BEGIN ENCRYPTED "
_TOKEN = b'"uri":'
AskSecret = Callable[[str], bytes]
"""Asks for a passphrase or PIN; its argument says for what."""


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


def open_signer(data: bytes, secret: bytes | None, ask: AskSecret, where: str) -> Signer:
    """A private key file, or the file of a key on a token, ready to sign. `ask` is called where a passphrase or PIN is
    needed and `secret` is None. Raises UsageError."""
    if data.startswith(_PEM):
        if secret is None and data.startswith(_ENCRYPTED):
            secret = ask(f"passphrase of {where}")
        return read_signer(data, secret, where)
    if _TOKEN not in data:
        return read_signer(data, secret, where)
    pin = ask(f"PIN of the token of {where}") if secret is None else secret
    return token_signer(data, pin, where)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """A key on a token, as it was found there."""

    token: bytes
    """JSON: the public key, and where its private half is. No secret."""
    public: bytes


def import_token(number: int, label: str | None, ask: AskSecret) -> TokenKey:
    """The key with this PKCS #11 id on the token with this label, or on the only one. Raises UsageError."""
    with _token_errors("token"):
        uri, key = HSMSigner.import_(number, label, lambda secret: ask(f"{secret} of the token").decode())
    document = {"keyid": key.keyid, "uri": uri, **key.to_dict()}
    return TokenKey(token=dumps(document), public=write_public(key))


def token_signer(data: bytes, pin: bytes, where: str) -> Signer:
    """Raises UsageError where `data` is not what `import_token` made."""
    try:
        fields = json.loads(data)
        uri = str(fields.pop("uri"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        hint = "give the .token file that `airlock key import-hsm` wrote"
        raise UsageError(where, f"not the file of a key on a token, {error!r}", hint=hint) from error
    key = _public(fields, where)
    with _token_errors(where):
        return _Token(HSMSigner.from_priv_key_uri(uri, key, lambda secret: pin.decode()), where)


class _Token(Signer):
    """A token, whose mistakes are told in the form of every other error."""

    def __init__(self, signer: HSMSigner, where: str) -> None:
        self._signer, self._where = signer, where

    @property
    def public_key(self) -> Key:
        return self._signer.public_key

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: Callable[[str], str] | None = None
    ) -> Signer:
        return HSMSigner.from_priv_key_uri(priv_key_uri, public_key, secrets_handler)

    def sign(self, payload: bytes) -> Signature:
        with _token_errors(self._where):
            return self._signer.sign(payload)


@contextmanager
def _token_errors(where: str) -> Iterator[None]:
    try:
        yield
    except UnsupportedLibraryError as error:
        hint = "pip install 'airlock-deploy[hsm]'"
        raise UsageError(where, "keys on tokens need python-pkcs11", hint=hint) from error
    except (ValueError, RuntimeError) as error:  # what python-pkcs11 and the signer raise
        hint = "PYKCS11LIB must name the token's PKCS #11 module; check the token, its label and the PIN"
        text = str(error) or type(error).__name__
        raise UsageError(where, f"the token cannot be used, {text}", hint=hint) from error


def put_signature(metadata: Metadata[Any], signer: Signer) -> None:
    """Add the signature of `signer`, in place of an earlier one of the same key. Raises UsageError where it is not one of
    the key, as when another key lies on the token by now."""
    payload = metadata.signed_bytes
    signature = signer.sign(payload)
    try:
        signer.public_key.verify_signature(signature, payload)
    except UnverifiedSignatureError as error:
        raise UsageError("--key", "makes signatures that its public key does not accept") from error
    metadata.signatures[signature.keyid] = signature


def write_public(key: Key) -> bytes:
    return dumps({"keyid": key.keyid, **key.to_dict()})


def read_public(data: bytes, passphrase: bytes | None, where: str) -> Key:
    """A public key: a `.pub` or `.token` file, or the public half of a `.key` file. Raises UsageError."""
    if data.startswith(_PEM):
        return read_signer(data, passphrase, where).public_key
    try:
        fields = json.loads(data)
        fields.pop("uri", None)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        hint = "give the .pub file that `airlock key new` wrote"
        raise UsageError(where, f"not a public key, {error!r}", hint=hint) from error
    return _public(fields, where)


def _public(fields: dict[str, Any], where: str) -> SSlibKey:
    try:
        key = Key.from_dict(fields.pop("keyid"), fields)
        computed = key_id(key, where)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "give the .pub file that `airlock key new` wrote"
        raise UsageError(where, f"not a public key, {error!r}", hint=hint) from error
    except IntegrityError as error:
        raise UsageError(where, error.what) from error
    if key.keyid != computed or not isinstance(key, SSlibKey):
        raise UsageError(where, "key id does not match the key", expected=computed, found=str(key.keyid))
    return key
