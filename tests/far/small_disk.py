"""Run in a mount namespace of its own: `unshare -rm python -m tests.far.small_disk FOLDER blocks|inodes CASES`.

A site on a small tmpfs has version 1; then the disk is given less and less room, and version 2 is installed by the real disk,
its native loops included, until something does not fit. Its host says that there is room, so that the disk itself has to say that not.
"""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from airlock.airgapped.gc import collect
from airlock.errors import TargetError
from tests.far.bundles import WORLD, Trust, bundle, file_item, put, site_at, wheel, wheel_item
from tests.far.survival import only_recover, settled, state

PAGE = 4096
TRUST = Trust.new()


def version(number: int) -> bytes:
    """Many small files and a large one, so that files are written by the dozen and by parts."""
    files = {f"demo/part{n}.py": f"{number * n}\n".encode() * 50 for n in range(60)}
    files |= {"demo/same.py": b"same" * 2000, "demo/large.bin": bytes([number]) * 700_000}
    items = [wheel_item("demo", f"{number}.0", wheel("demo", f"{number}.0", files))]
    return bundle([*items, file_item("share/version", f"{number}".encode())], version=f"{number}.0")


BUNDLES = {number: TRUST.verified(version(number), counter=number) for number in (1, 2)}


def mount(folder: Path, *options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


def used(folder: Path, what: str) -> int:
    column = "--output=iused" if what == "inodes" else "--output=used"
    size = ["-B1"] if what == "blocks" else []
    out = subprocess.run(["df", *size, column, str(folder)], check=True, capture_output=True, text=True)
    return int(out.stdout.split()[-1])


def fill(folder: Path) -> None:
    """Whatever room there is, somebody else takes it."""
    with suppress(OSError), (folder / "filled").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(512))


def tried(folder: Path, what: str, room: int) -> str:
    """How the install ended; `room` is in pages or inodes."""
    mount(folder, "size=64m")
    try:
        put(site_at(folder / "site"), BUNDLES[1])
        now = used(folder, what)
        remount(folder, f"nr_inodes={now + room}" if what == "inodes" else f"size={now + room * PAGE}")
        try:
            put(site_at(folder / "site"), BUNDLES[2])
            end = "installed"
        except TargetError as error:
            assert "No space left" in str(error), error
            end = "refused"
        expected = {"installed": {"2.0"}, "refused": {"1.0", "2.0"}}[end]
        assert state(site_at(folder / "site")) in expected
        fill(folder)
        only_recover(site_at(folder / "site"))
        collect(site_at(folder / "site"), 0, WORLD, lambda root, numbers: frozenset())
        settled(site_at(folder / "site"))
        (folder / "filled").unlink(missing_ok=True)
        remount(folder, "nr_inodes=100000,size=64m")
        put(site_at(folder / "site"), BUNDLES[2], WORLD)
        settled(site_at(folder / "site"))
        assert state(site_at(folder / "site")) == "2.0"
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    return end


def main() -> None:
    folder, what, cases = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    most = {"blocks": 480, "inodes": 110}[what]
    ends = [tried(folder, what, most * case // cases) for case in range(cases + 1)]
    print(len(ends), ends.count("refused"), ends.count("installed"))
    assert ends[-1] == "installed", "the most is enough"


if __name__ == "__main__":
    main()
