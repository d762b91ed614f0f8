"""Metadata that somebody changed on the way ends in an IntegrityError, whatever was changed, and never in anything else."""

import io
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.airgapped.approvals import Approvals
from airlock.airgapped.signatures import signatures
from airlock.airgapped.verify import verify_index
from airlock.errors import IntegrityError
from airlock.formats.trust import TARGETS, root_link
from airlock.storage.archive import Archive
from tests.far.bundles import NOW, archive_of, members_in
from tests.far.years import APPROVER, PLAIN, YEARS, signed

MEMBERS = members_in(APPROVER.inside(signed(PLAIN, YEARS.b, roots=YEARS.all), APPROVER.keys[0]))
CHANGED = (TARGETS, root_link(2), root_link(3), "trust/site-security.approval.json")
DEMANDED = Approvals(required={"site-security": APPROVER.root.data})
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "\ud800", "root", "targets", "1", "9" * 5000, "2026-01-01T00:00:00Z"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    match node:
        case dict():
            for key, value in node.items():
                yield from places(value, (*path, key))
        case list():
            for number, value in enumerate(node):
                yield from places(value, (*path, number))


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = node.copy()
    copy[path[0]] = replaced(node[path[0]], path[1:], value)
    return copy


@settings(max_examples=150)
@given(st.sampled_from(CHANGED), st.data(), VALUES)
def test_changed_metadata_is_refused(member: str, data: st.DataObject, value: Any) -> None:
    document = json.loads(MEMBERS[member])
    path = data.draw(st.sampled_from(list(places(document))))
    changed = replaced(document, path, value)
    spelled = json.dumps(changed, separators=(",", ":"), sort_keys=True).encode() + b"\n"
    archive = Archive(io.BytesIO(archive_of(MEMBERS | {member: spelled})), "b.airlock")
    try:
        verify_index(archive, YEARS.first.data, NOW, DEMANDED)
    except IntegrityError:
        pass
    else:
        assert changed == document or path[0] == "signatures", "what is signed cannot be changed"
    try:
        report = signatures(archive)
    except IntegrityError:
        return
    assert report.release


def test_the_metadata_is_good_as_it_is() -> None:
    archive = Archive(io.BytesIO(archive_of(MEMBERS)), "b.airlock")
    assert verify_index(archive, YEARS.first.data, NOW, DEMANDED).approvals
