"""airlock's own dependencies as wheels, made of what is installed here, so that kits can be made without an index."""

import io
import sys
import zipfile
from collections.abc import Collection
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from airlock.core.artifact import Artifact, Encoder, Project
from airlock.core.digest import digest_of
from airlock.core.target import Target
from airlock.formats.lockfile import LockedArtifact, Lockfile, write_lockfile
from airlock.kinds.wheel.canonical import canonical_wheel
from airlock.storage.store import Store
from tests.far.bundles import MACHINE, PYTHON

TARGET = Target(name="here", python=PYTHON, platform=MACHINE, prefix="")


def own_lock(cache: Path, names: Collection[str] = ()) -> bytes:
    """A lock of airlock's dependencies for this machine, or of those alone; the wheels are in the store of the cache."""
    store = Store(cache / "store")
    rows = []
    for name, found in sorted(_needed("airlock-deploy").items()):
        if names and name not in names:
            continue
        data = _wheel(found)
        store.put([data])
        artifact = Artifact(
            kind="wheel",
            name=name,
            version=found.version,
            file=_file(found, _tag(found)),
            size=len(data),
            digest=digest_of(data),
        )
        rows.append(LockedArtifact(artifact=artifact, targets=("here",)))
    return write_lockfile(
        Lockfile(
            project=Project(name="airlock", version="0.1.0"),
            encoder=Encoder(name="zstd", version="1.5.7", level=3),
            inputs={},
            targets=(TARGET,),
            health=None,
            artifacts=tuple(rows),
        )
    )


def _needed(name: str) -> dict[str, Distribution]:
    """By name, what the distribution needs here, and what that needs; the extras that are asked for are installed."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(one) for one in distribution(name).requires or ()]
    while waiting:
        requirement = waiting.pop()
        extras = requirement.extras or {""}
        known = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if known not in found or requirement.extras:
            found[known] = distribution(requirement.name)
            wanted = (Requirement(one) for one in found[known].requires or ())
            for one in wanted:
                if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
                    one.marker = None
                    waiting.append(one)
    return found


def _tag(found: Distribution) -> str:
    lines = (found.read_text("WHEEL") or "").splitlines()
    return next(line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: "))


def _file(found: Distribution, tag: str) -> str:
    return f"{found.name.replace('-', '_').replace('.', '_')}-{found.version}-{tag}.whl"


def _wheel(found: Distribution) -> bytes:
    site = Path(str(found.locate_file("")))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in found.files or ():
            outside = ".." in path.parts or "__pycache__" in path.parts
            if not outside and path.name not in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
                archive.writestr(zipfile.ZipInfo(str(path)), (site / path).read_bytes())
    return canonical_wheel(buffer.getvalue(), found.name)


STAND_IN = {
    "airlock/__init__.py": b"",
    "airlock/cli.py": b"""import sys


def main():
    print("airlock 0.1.0" if sys.argv[1:] == ["--version"] else " ".join(sys.argv[1:]))
""",
    "airlock/airgapped/__init__.py": b"",
    "airlock/airgapped/install.py": b"",
    "airlock/airgapped/update.py": b"",
}


STAND_IN_NAME = "airlock_deploy-0.1.0-py3-none-any.whl"


def stand_in() -> bytes:
    """A wheel in the place of airlock's own, for what is about the script of a kit: it is put in place in no time."""
    info = "airlock_deploy-0.1.0.dist-info"
    members = STAND_IN | {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: airlock-deploy\nVersion: 0.1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": b"[console_scripts]\nairlock = airlock.cli:main\n",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in members.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return canonical_wheel(buffer.getvalue())


def base_python() -> str:
    return str(Path(sys.base_prefix) / "bin" / f"python{PYTHON}")
