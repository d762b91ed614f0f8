"""CycloneDX 1.6 as JSON, by cyclonedx-python-lib (ECMA-424)."""

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from airlock.connected.documents.bill import Bill, Row, sha256

NAME = "sbom.cdx.json"
MEDIA = "application/vnd.cyclonedx+json"
_ROOT = "bundle"


def written(bill: Bill) -> bytes:
    """The same bytes for the same bill and the same release of the library."""
    bom = Bom(serial_number=bill.identity, components=[_component(row) for row in bill.rows])
    bom.metadata.component = Component(
        name=bill.project.name,
        version=bill.project.version,
        type=ComponentType.APPLICATION,
        bom_ref=_ROOT,
        properties=[
            Property(name="airlock:target", value=bill.target.name),
            Property(name="airlock:python", value=bill.target.python),
            Property(name="airlock:platform", value=bill.target.platform),
        ],
    )
    bom.dependencies = [_needs(_ROOT, bill.roots), *(_needs(row.reference, row.needs) for row in bill.rows)]
    document = JsonV1Dot6(bom)
    document.generate()
    return _without_clock(document)


def _without_clock(document: JsonV1Dot6) -> bytes:
    """The library always states when; the field is optional, and nothing here has a time."""
    import json

    found = json.loads(document.output_as_string())
    found["metadata"].pop("timestamp", None)
    return (json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _component(row: Row) -> Component:
    artifact, said = row.artifact, row.said
    licenses: list[LicenseExpression | DisjunctiveLicense] = []
    if said.license:
        by_name = not said.expression
        licenses = [DisjunctiveLicense(name=said.license) if by_name else LicenseExpression(said.license)]
    return Component(
        name=artifact.name,
        version=artifact.version or None,
        type=ComponentType.LIBRARY if said.identifier else ComponentType.FILE,
        bom_ref=row.reference,
        description=said.summary or None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256(artifact))],
        licenses=licenses,
        purl=PackageURL.from_string(said.identifier) if said.identifier else None,
        properties=[
            Property(name="airlock:kind", value=artifact.kind),
            Property(name="airlock:file", value=artifact.file),
        ],
    )


def _needs(reference: str, needed: tuple[str, ...]) -> Dependency:
    return Dependency(ref=BomRef(reference), dependencies=[Dependency(ref=BomRef(one)) for one in needed])
