"""docs/trust.md is made by running what it says: `python -m tests.trust_page` writes what the commands print now.

In its `console` blocks a line `NAME$ COMMAND` runs on the machine NAME, a directory; what follows is what it printed, on
stdout and stderr, and its exit code where that is not 0. Ids, digests, counters and dates differ from run to run.
"""

import contextlib
import io
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from airlock import cli
from tests.far.bundles import bundle, file_item

PAGE = Path(__file__).parents[1] / "docs" / "trust.md"
_BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^[a-z]+\$ .*$", re.MULTILINE)
_VARYING = (
    (r"\b[0-9a-f]{64}\b", "DIGEST"),
    (r"\b([0-9a-f]{4} ){3}[0-9a-f]{4}\b", "SHORT"),
    (r"\b[0-9a-f]{8}\b", "KEY"),
    (r"\b1[0-9]{12}\b", "COUNTER"),
    (r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}( [0-9:]{5}Z)?\b", "DATE"),
    (r"\b[0-9]{3} bytes", "BYTES"),
)


def ran(page: str, directory: Path) -> str:
    """The page, with what its commands print in `directory`."""
    prepare(directory)
    return _BLOCK.sub(lambda block: "".join(_block(block[1], directory)), page)


def comparable(page: str) -> str:
    for pattern, name in _VARYING:
        page = re.sub(pattern, name, page)
    return page


def prepare(directory: Path) -> None:
    """Bundles as `airlock build` would make them, for the machine at hand."""
    for name in ("anna", "ben", "carla", "vault", "office", "site"):
        (directory / name).mkdir()
    for version in ("1.0", "2.0", "3.0", "4.0"):
        data = bundle([file_item("share/version", version.encode())], version=version)
        (directory / "anna" / f"gateway-{version}-plant.airlock").write_bytes(data)


def _block(block: str, directory: Path) -> Iterator[str]:
    for line in _COMMAND.findall(block):
        machine, command = line.split("$ ", 1)
        yield f"{line}\n{_run(shlex.split(command), directory / machine)}"


def _run(command: list[str], directory: Path) -> str:
    if command[0] != "airlock":
        return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout
    said = io.StringIO()
    with contextlib.chdir(directory), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = cli.main(command[1:])
    return said.getvalue().replace(f"{directory}/", "") + (f"(exit code {code})\n" if code else "")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(ran(PAGE.read_text(), Path(folder)))
    sys.exit()
