"""`airlock trust init`: the trust root that a site pins (TUF root metadata, version 1)."""

from collections.abc import Sequence

from securesystemslib.signer import CryptoSigner, Key
from tuf.api.metadata import Metadata, Root

from airlock.errors import UsageError
from airlock.formats.trust import moment, write_metadata

_RELEASE_ROLES = ("targets", "snapshot", "timestamp")
"""TUF demands all four top-level roles. A bundle is one consistent snapshot, so `snapshot` and `timestamp` have no
metadata here; they belong to the release keys, so that no key is trusted for more than releases."""


def make_root(root: CryptoSigner, release: Sequence[Key], threshold: int, expires: int) -> bytes:
    """A root signed by `root`, which trusts a release that `threshold` of the `release` keys signed, until `expires`
    (seconds since the epoch). Raises UsageError."""
    distinct = {key.keyid: key for key in release}
    if not 1 <= threshold <= len(distinct):
        raise UsageError(
            "--threshold",
            "cannot be met",
            expected=f"from 1 to {len(distinct)}, the number of different release keys",
            found=str(threshold),
        )
    signed = Root(expires=moment(expires), consistent_snapshot=False)
    signed.add_key(root.public_key, "root")
    for role in _RELEASE_ROLES:
        for key in distinct.values():
            signed.add_key(key, role)
        signed.roles[role].threshold = threshold
    metadata = Metadata(signed)
    metadata.sign(root)
    return write_metadata(metadata)
