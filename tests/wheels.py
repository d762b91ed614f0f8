"""Small wheels and locks for tests of the engine, the same bytes on every machine."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from airlock.core.artifact import Artifact, Project
from airlock.core.codecs import PORTABLE
from airlock.core.digest import digest_of
from airlock.core.target import Target
from airlock.formats.lockfile import LockedArtifact, Lockfile
from airlock.storage.frames import DEFAULT_LEVEL, this_encoder
from airlock.storage.store import Store

TARGET = Target(name="plant", python="3.11", platform="manylinux_2_28_x86_64", prefix="")
PROSE = b"".join(
    b"%d: the pump of line %d is open\n" % (number, number * number % 89) for number in range(4000)
)


def machine_code(seed: int, size: int = 60_000) -> bytes:
    """Bytes that compress badly, as machine code does; much the same for neighbouring seeds."""
    data = bytearray()
    state = 12345
    while len(data) < size:
        state = (state * 1103515245 + 12345) % (1 << 31)
        data += (state >> 8).to_bytes(3, "little")
    for place in range(40 * seed, size, 997):
        data[place] = (data[place] + seed) % 256
    return bytes(data[:size])


def wheel(name: str, version: str, files: Mapping[str, bytes]) -> bytes:
    """A wheel, deflated as most are, its times fixed."""
    info = f"{name}-{version}.dist-info"
    everything = dict(files) | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "".join(f"{path},,\n" for path in files).encode(),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in everything.items():
            archive.writestr(zipfile.ZipInfo(path), data, zipfile.ZIP_DEFLATED, 6)
    return out.getvalue()


def artifact(store: Store, name: str, version: str, data: bytes, kind: str = "wheel") -> Artifact:
    store.put([data])
    return Artifact(
        kind=kind,
        name=name,
        version=version,
        file=f"{name}-{version}-py3-none-any.whl" if kind == "wheel" else name.rpartition("/")[2],
        size=len(data),
        digest=digest_of(data),
        placement={} if kind == "wheel" else {"destination": name, "mode": "0644"},
        origin={"index": "default"},
    )


def lock(version: str, artifacts: Sequence[Artifact]) -> Lockfile:
    return Lockfile(
        project=Project(name="plant-gateway", version=version),
        encoder=this_encoder(DEFAULT_LEVEL, PORTABLE),
        inputs={},
        targets=(TARGET,),
        health=None,
        artifacts=tuple(LockedArtifact(artifact=one, targets=("plant",)) for one in artifacts),
    )


def two_versions(folder: Path) -> tuple[Store, Lockfile, Lockfile]:
    """A store and two locks: something kept, changed, added, removed, and a file of no form."""
    store = Store(folder / "store")
    kept = artifact(store, "kept", "1.0", wheel("kept", "1.0", {"kept.py": PROSE[:5000]}))
    gone = artifact(store, "gone", "1.0", wheel("gone", "1.0", {"gone.py": b"print('gone')\n" * 30}))
    fresh = artifact(store, "fresh", "1.0", wheel("fresh", "1.0", {"fresh.py": PROSE[7000:9000]}))
    native = [
        artifact(
            store,
            "native",
            version,
            wheel(
                "native",
                version,
                {
                    "native/core.so": machine_code(seed),
                    "native/text.py": PROSE.replace(b"line 7 ", b"line %d " % seed),
                    "native/same.py": PROSE[:20000],
                },
            ),
        )
        for version, seed in (("1.0", 1), ("1.1", 2))
    ]
    files = [
        artifact(store, "share/banner.txt", "", PROSE[:900] + extra, kind="file")
        for extra in (b"old\n", b"new, and more\n")
    ]
    return (
        store,
        lock("1.0", [kept, gone, native[0], files[0]]),
        lock("2.0", [kept, fresh, native[1], files[1]]),
    )
