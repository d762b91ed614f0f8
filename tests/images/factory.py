"""Images for tests, made of literals: documents, blobs, layouts and archives."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airlock.oci.documents import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
)

REF = "org.opencontainers.image.ref.name"


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def spelled(document: object) -> bytes:
    """As registries have it, which is not as airlock writes JSON."""
    return json.dumps(document, indent=1).encode()


def tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


@dataclass(frozen=True)
class Thing:
    """A manifest or index, and every blob below it."""

    data: bytes
    media_type: str
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    """By digest, this one's own bytes included."""
    config: str = ""
    layers: tuple[str, ...] = ()
    platform: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return sha256(self.data)

    def descriptor(self, **more: Any) -> dict[str, Any]:
        table: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}
        return table | ({"platform": dict(self.platform)} if self.platform else {}) | more


def described(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)} | more


def image(
    *layers: Mapping[str, bytes],
    architecture: str = "amd64",
    variant: str = "",
    docker: bool = False,
    change: Mapping[str, Any] | None = None,
) -> Thing:
    """An image with these files in its layers; `change` takes the place of parts of its manifest."""
    tars = [tar(files) for files in layers]
    packed = [gzip.compress(data, mtime=0) for data in tars]
    platform = {"os": "linux", "architecture": architecture} | ({"variant": variant} if variant else {})
    config = spelled(
        {**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": [sha256(data) for data in tars]}}
    )
    layer_type = "application/vnd.docker.image.rootfs.diff.tar.gzip" if docker else f"{OCI_LAYER}+gzip"
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": described(config, DOCKER_CONFIG if docker else OCI_CONFIG),
        "layers": [described(data, layer_type) for data in packed],
    }
    data = spelled(manifest | dict(change or {}))
    blobs = {sha256(one): one for one in (data, config, *packed)}
    return Thing(data, media_type, blobs, sha256(config), tuple(map(sha256, packed)), platform)


def index(*images: Thing, docker: bool = False, extra: Iterable[Mapping[str, Any]] = ()) -> Thing:
    media_type = DOCKER_LIST if docker else OCI_INDEX
    rows = [one.descriptor() for one in images] + [dict(one) for one in extra]
    data = spelled({"schemaVersion": 2, "mediaType": media_type, "manifests": rows})
    blobs = {sha256(data): data}
    for one in images:
        blobs |= one.blobs
    return Thing(data, media_type, blobs)


def signature(of: Thing, text: bytes = b"signed", *, subject: bool = True) -> Thing:
    """A manifest that refers to another one, as artifacts do."""
    empty = b"{}"
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.signature",
        "config": described(empty, "application/vnd.oci.empty.v1+json"),
        "layers": [described(text, "application/vnd.example.signature.v1")],
    }
    if subject:
        document["subject"] = of.descriptor()
    data = spelled(document)
    return Thing(data, OCI_MANIFEST, {sha256(one): one for one in (data, empty, text)})


def layout_files(named: Mapping[str, Thing], others: Iterable[Thing] = ()) -> dict[str, bytes]:
    """The files of a layout in which each thing has its name."""
    rows = [thing.descriptor(annotations={REF: name}) for name, thing in named.items()]
    rows += [one.descriptor() for one in others]
    files = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": spelled({"schemaVersion": 2, "manifests": rows}),
    }
    for thing in (*named.values(), *others):
        files |= {f"blobs/sha256/{digest[7:]}": data for digest, data in thing.blobs.items()}
    return files


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def saved_files(thing: Thing, *tags: str) -> dict[str, bytes]:
    """What `docker save` writes of an image."""
    config = thing.blobs[thing.config]
    names = [f"{digest[7:]}/layer.tar" for digest in thing.layers]
    entry = {"Config": f"{thing.config[7:]}.json", "RepoTags": list(tags), "Layers": names}
    layers = {
        name: gzip.decompress(thing.blobs[digest]) for name, digest in zip(names, thing.layers, strict=True)
    }
    return {"manifest.json": spelled([entry]), f"{thing.config[7:]}.json": config, **layers}
