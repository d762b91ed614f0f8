"""Small source distributions, the same bytes for the same arguments, and a backend that does what their recipe says."""

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping

from tests.wheel_factory import Wheel, make_wheel

BACKEND = r"""
import base64, hashlib, os, zipfile

def _recipe(hook):
    given = {"files": {}, "name": "", "version": "", "tag": "py3-none-any", "needs": [], "requires": []}
    with open("recipe.py") as stream:
        exec(stream.read(), given)
    if hook in given:
        given[hook]()
    return given

def get_requires_for_build_wheel(config_settings=None):
    return _recipe("asked")["requires"]

def build_wheel(directory, config_settings=None, metadata_directory=None):
    given = _recipe("build")
    stem = given["name"].replace("-", "_") + "-" + given["version"]
    headers = ["Metadata-Version: 2.1", "Name: " + given["name"], "Version: " + given["version"]]
    headers += ["Requires-Dist: " + one for one in given["needs"]]
    files = {
        **given["files"],
        stem + ".dist-info/METADATA": "\n".join(headers) + "\n",
        stem + ".dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: " + given["tag"] + "\n",
    }
    file = stem + "-" + given["tag"] + ".whl"
    with zipfile.ZipFile(os.path.join(directory, file), "w") as wheel:
        for path, data in files.items():
            wheel.writestr(path, data)
        wheel.writestr(stem + ".dist-info/RECORD", "")
    return file
"""


def backend_wheel(version: str = "1.0", **options: object) -> Wheel:
    """A build backend that an index can hold."""
    return make_wheel("mini-backend", version, files={"mini_backend.py": BACKEND.encode()}, **options)  # type: ignore[arg-type]


def make_sdist(
    name: str,
    version: str,
    recipe: str = "",
    *,
    requires: Iterable[str] = ("mini-backend",),
    pkg_info: str | None = None,
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """`recipe` may set what `BACKEND` knows, after its `name` and `version` were set. `pkg_info` is what stands in PKG-INFO
    after the name and version of metadata 2.2; without it the metadata are those of an old tool."""
    listed = ", ".join(f'"{one}"' for one in requires)
    old = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    new = f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n{pkg_info}"
    members = {
        "PKG-INFO": (old if pkg_info is None else new).encode(),
        "pyproject.toml": f'[build-system]\nrequires = [{listed}]\nbuild-backend = "mini_backend"\n'.encode(),
        "recipe.py": f'name, version = "{name}", "{version}"\nfiles["{name.replace("-", "_")}.py"] = ""\n{recipe}'.encode(),
        **(files or {}),
    }
    return archive({f"{name}-{version}/{path}": data for path, data in members.items()})


def archive(members: Mapping[str, bytes], *, time: int = 1_600_000_000) -> bytes:
    """A `.tar.gz`; `time` is that of every member, in seconds."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path, data in members.items():
            member = tarfile.TarInfo(path)
            member.size, member.mtime, member.mode = len(data), time, 0o644
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()
