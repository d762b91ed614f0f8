"""SPDX 2.3 as JSON, by spdx-tools (ISO/IEC 5962)."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime

from license_expression import ExpressionError, get_spdx_licensing
from spdx_tools.spdx.model import (
    Actor,
    ActorType,
    Checksum,
    ChecksumAlgorithm,
    CreationInfo,
    Document,
    ExternalPackageRef,
    ExternalPackageRefCategory,
    Package,
    PackagePurpose,
    Relationship,
    RelationshipType,
    SpdxNoAssertion,
)
from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

from airlock.connected.documents.bill import Bill, Row, sha256

NAME = "sbom.spdx.json"
MEDIA = "application/spdx+json"
_DOCUMENT = "SPDXRef-DOCUMENT"
_ROOT = "SPDXRef-bundle"


def written(bill: Bill) -> bytes:
    """The same bytes for the same bill and the same release of the library. SPDX demands a time of creation; it is the lock's
    cutoff, or the epoch."""
    identities = {row.reference: f"SPDXRef-{number}" for number, row in enumerate(bill.rows, 1)}
    created = datetime.fromisoformat(bill.instant) if bill.instant else datetime.fromtimestamp(0, UTC)
    document = Document(
        CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id=_DOCUMENT,
            name=bill.name,
            document_namespace=bill.identity.urn,
            creators=[Actor(ActorType.TOOL, "airlock")],
            created=created.replace(tzinfo=None),
            creator_comment="Created at the time after which nothing on an index counted, or at the epoch: it carries no clock.",
        ),
        packages=[_root(bill), *(_package(row, identities[row.reference]) for row in bill.rows)],
        relationships=list(_relationships(bill, identities)),
    )
    out = io.StringIO()
    write_document_to_stream(document, out, validate=False, drop_duplicates=False)
    return (out.getvalue() + "\n").encode()


def _root(bill: Bill) -> Package:
    return Package(
        spdx_id=_ROOT,
        name=bill.project.name,
        version=bill.project.version,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        comment=f"for {bill.target.name}: Python {bill.target.python} on {bill.target.platform}",
        primary_package_purpose=PackagePurpose.APPLICATION,
    )


def _package(row: Row, identity: str) -> Package:
    artifact, said = row.artifact, row.said
    declared = _expression(said.license) if said.expression else None
    references = [
        ExternalPackageRef(
            category=ExternalPackageRefCategory.PACKAGE_MANAGER,
            reference_type="purl",
            locator=said.identifier,
        )
    ]
    return Package(
        spdx_id=identity,
        name=artifact.name,
        version=artifact.version or None,
        file_name=artifact.file,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, sha256(artifact))],
        license_declared=SpdxNoAssertion() if declared is None else declared,
        license_comment=f"In the words of its author: {said.license}"
        if said.license and declared is None
        else None,
        summary=said.summary or None,
        external_references=references if said.identifier else [],
        primary_package_purpose=PackagePurpose.LIBRARY if said.identifier else PackagePurpose.FILE,
    )


def _expression(text: str) -> object | None:
    """None for one that this release's list of licences does not have."""
    try:
        return get_spdx_licensing().parse(text, validate=True)  # type: ignore[no-any-return]
    except ExpressionError:
        return None


def _relationships(bill: Bill, identities: dict[str, str]) -> Iterator[Relationship]:
    yield Relationship(_DOCUMENT, RelationshipType.DESCRIBES, _ROOT)
    for reference in identities:
        yield Relationship(_ROOT, RelationshipType.CONTAINS, identities[reference])
    for row in bill.rows:
        for needed in row.needs:
            yield Relationship(identities[row.reference], RelationshipType.DEPENDS_ON, identities[needed])
