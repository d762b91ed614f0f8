"""Images and what is run of them: by a signer who is careless, or whose index was changed on the way."""

import json

from airlock.core.artifact import Artifact
from airlock.core.canonical_json import dumps
from airlock.core.digest import digest_of
from tests.attacks.ground import Command, Ground, attack, items
from tests.far.bundles import Item, members_in

_FAMILY = "Images"
_BLOB = b"a layer"


def _placed(ground: Ground, **placement: str) -> list[Command]:
    place = f"images/blobs/sha256/{digest_of(_BLOB).removeprefix('sha256:')}"
    given = {"destination": place, "media_type": "application/octet-stream", "role": "layer"} | placement
    artifact = Artifact(
        kind="image",
        name="plc/layer-1",
        version="",
        file="plc.layer-1.tar",
        size=len(_BLOB),
        digest=digest_of(_BLOB),
        placement=given,
    )
    return ground.install(ground.signed([*items("2.0"), Item(artifact, _BLOB)]))


@attack(_FAMILY, "not where a layout has it")
def image_blob_outside_the_layout(ground: Ground) -> list[Command]:
    """a blob is to be written outside of the generation"""
    return _placed(ground, destination="../../../outside/precious")


@attack(_FAMILY, "not where a layout has it")
def image_blob_under_another_digest(ground: Ground) -> list[Command]:
    """a blob is to stand where another one belongs"""
    return _placed(ground, destination=f"images/blobs/sha256/{'0' * 64}")


@attack(_FAMILY, "not where a layout has it")
def image_blob_as_a_listing(ground: Ground) -> list[Command]:
    """a blob says that it is the layout's index"""
    return _placed(ground, role="listing")


@attack(_FAMILY, "not the index that was signed")
def activation_added_on_the_way(ground: Ground) -> list[Command]:
    """a command is added to the index of a signed bundle"""
    return ground.everywhere(ground.altered(**{"index.json": _with_command(ground)}))


def _with_command(ground: Ground) -> bytes:
    document = json.loads(members_in(ground.next)["index.json"])
    planted = {"artifact": "file x", "command": ["sh", "-c", "id"], "check": ["true"], "expected": ["x"]}
    document["activation"] = [planted | {"timeout": 5}]
    return dumps(document)


@attack(_FAMILY, "NUL")
def activation_with_a_nul(ground: Ground) -> list[Command]:
    """a command that no system can start, noticed only after the switch"""

    def change(data: bytes) -> bytes:
        document = json.loads(data)
        planted = {
            "artifact": "file x",
            "command": ["a\0b"],
            "check": ["true"],
            "expected": ["x"],
            "timeout": 5,
        }
        return dumps(document | {"activation": [planted]})

    return ground.everywhere(ground.resigned(change))
