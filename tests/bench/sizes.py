"""The files that peers work on: tars of wheels and of unpacked trees, the same on every machine."""

import hashlib
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path

TAR = ("tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=u+rwX,go+rX")


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def link(files: Iterable[Path], directory: Path) -> None:
    """Put files into a new folder without copying where the file system lets us."""
    directory.mkdir(parents=True)
    for file in files:
        try:
            os.link(file, directory / file.name)
        except OSError:
            shutil.copy(file, directory / file.name)


def unpack(wheels: Path, tree: Path) -> None:
    """Every wheel into one tree, as an installation has them."""
    tree.mkdir(parents=True)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tree)


def tar(directory: Path, target: Path) -> None:
    subprocess.run((*TAR, "-C", str(directory), "-cf", str(target), "."), check=True)


def unpack_command(form: str, archive: Path, directory: Path) -> tuple[str, ...]:
    """What brings a restored tar to where it is used: a tree is taken out, wheels are taken out and unzipped."""
    tree = f"tar -C {directory} -xf {archive}"
    if form == "tree":
        return ("sh", "-c", tree)
    unzip = f"find {directory} -name '*.whl' -exec unzip -qq -o '{{}}' -d {directory}/tree ';'"
    return ("sh", "-c", f"{tree} && {unzip}")
