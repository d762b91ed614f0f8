"""The golden digests of airlock's kit: `just golden` compares, `just golden --write` records them anew.

Recorded are kits of the locked dependencies with a stand-in for airlock's own wheel, which changes with every commit; the whole
kit is made twice, under other circumstances. See docs/adr/0018-kit.md.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.kit.repacked import STAND_IN_NAME, stand_in

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "fixtures" / "kit" / "golden.json"
TARGETS = ("python3-11-x86-64", "python3-14-aarch64")


def main(arguments: Sequence[str]) -> int:
    with TemporaryDirectory() as name:
        folder = Path(name)
        wheel = folder / STAND_IN_NAME
        wheel.write_bytes(stand_in())
        found = {target: _made(target, folder / "golden", "--wheel", str(wheel)) for target in TARGETS}
        whole = _made(TARGETS[0], folder / "whole")
    print(f"kit for {TARGETS[0]}: {whole}, made twice, the same to the bit")
    if arguments == ["--write"]:
        RECORDED.write_text(json.dumps(found, indent=2) + "\n")
        return 0
    recorded = json.loads(RECORDED.read_text())
    for target, digest in found.items():
        print(f"kit for {target}, with a stand-in for airlock: {digest}")
        if digest != recorded[target]:
            print(
                f"error: {RECORDED}: {target}: expected {recorded[target]}, found {digest}", file=sys.stderr
            )
    if found != recorded:
        print(
            "hint: where airlock.lock or the form of kits was changed on purpose, `just golden --write`",
            file=sys.stderr,
        )
        return 1
    return 0


def _made(target: str, output: Path, *options: str) -> str:
    command = [sys.executable, "-m", "airlock", "kit", "--quiet", "--json", "--reproducible"]
    command += ["--lock", str(ROOT / "airlock.lock"), "--target", target, "-o", str(output), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return str(json.loads(done.stdout)["kits"][0]["digest"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
