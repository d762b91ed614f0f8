"""What airlock adds to TUF metadata: one field `x-airlock`, signed like all others, left out where it says nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tuf.api.metadata import Root, Targets

from airlock.core.fields import Fields
from airlock.errors import IntegrityError
from airlock.formats.trust import approver

FIELD = "x-airlock"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the holders of a root decided beside keys and thresholds."""

    approver: str = ""
    """Whose approval the root speaks of; empty for a release root. The same in every version."""
    refuse_expired: bool = False
    """Whether expired metadata is refused; it is a warning otherwise, for clocks on the far side drift."""
    retired: bool = False
    """Of an approval root: sites do not ask for this approval any more, from this version on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """What the signed targets of a bundle say beside the index, the counter and the expiry."""

    made: datetime | None = None
    """When the first signature was made, by the clock of the signer; None in metadata that does not say."""
    approver: str = ""
    """Whose approval it is; empty for a release. So no signature can be taken for one of the other sort."""


def write_policy(policy: Policy) -> dict[str, Any]:
    """The unrecognized fields of a root."""
    fields: dict[str, object] = {}
    if policy.approver:
        fields["approver"] = policy.approver
    if policy.refuse_expired:
        fields["expired"] = "refuse"
    if policy.retired:
        fields["retired"] = True
    return {FIELD: fields} if fields else {}


def read_policy(root: Root, where: str) -> Policy:
    """Raises IntegrityError, also for what this airlock does not know: a policy must not be passed over."""
    fields = _fields(root.unrecognized_fields, where)
    policy = Policy(
        approver=fields.parsed("approver", approver) if "approver" in fields else "",
        refuse_expired=fields.parsed("expired", _expired) if "expired" in fields else False,
        retired=fields.flag("retired", False),
    )
    fields.done()
    if policy.retired and not policy.approver:
        raise fields.fault("retired", "a release root cannot retire")
    return policy


def _expired(text: str, where: str) -> bool:
    if text not in ("warn", "refuse"):
        raise ValueError(f"expected warn or refuse, found {text!r}")
    return text == "refuse"


def write_particulars(particulars: Particulars) -> dict[str, Any]:
    """The unrecognized fields of targets."""
    fields: dict[str, object] = {}
    if particulars.made:
        fields["made"] = particulars.made.strftime(_TIME)
    if particulars.approver:
        fields["approver"] = particulars.approver
    return {FIELD: fields} if fields else {}


def read_particulars(targets: Targets, where: str) -> Particulars:
    """Raises IntegrityError."""
    fields = _fields(targets.unrecognized_fields, where)
    particulars = Particulars(
        made=fields.parsed("made", _time) if "made" in fields else None,
        approver=fields.parsed("approver", approver) if "approver" in fields else "",
    )
    fields.done()
    return particulars


def _time(text: str, where: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def _fields(unrecognized: Mapping[str, object], where: str) -> Fields:
    return Fields(unrecognized.get(FIELD, {}), where, IntegrityError, FIELD)
