"""Our versions beside those of `apt-get -s install`, from the same indexes on top of the same base: `just deb-agreement`.

Asks the archive that this machine's apt is configured for, and wants `apt-get update` to have been run. Prints a table.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from airlock.core.digest import digest_of
from airlock.errors import ResolutionError
from airlock.kinds.deb.base import essential_names
from airlock.kinds.deb.control import text_of
from airlock.kinds.deb.ground import Ground
from airlock.kinds.deb.packages import Origin, Package, Universe
from airlock.kinds.deb.relations import Relation
from airlock.kinds.deb.resolve import Question, resolve

SETS = (
    "nginx",
    "postgresql",
    "python3",
    "nginx postgresql python3",
    "python3-venv",
    "postfix",
    "openjdk-17-jre",
    "emacs-nox",
    "git",
    "build-essential",
    "podman",
    "apache2 php",
    "redis",
    "mariadb-server",
    "vim",
    "systemd",
    "openssh-server",
    "curl wget",
    "chromium",
    "texlive-latex-base",
    "r-base",
    "nodejs npm",
    "samba",
    "qemu-system-x86",
    "network-manager",
    "xfce4",
    "gdm3",
    "gnome-core",
    "kde-standard",
    "libreoffice",
    "prometheus",
    "haproxy",
    "postgresql-15-postgis-3",
    "mosquitto",
    "exim4",
    "default-mta",
)
_INSTALLED = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", re.MULTILINE)


def indexes() -> Iterable[tuple[str, bytes]]:
    """The indexes that apt has, in its order."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.split():
        ran = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", name], capture_output=True, check=True)
        yield name, ran.stdout


def universe() -> Universe:
    native = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    found = Universe(architecture=native.stdout.strip())
    for name, data in indexes():
        digest = digest_of(data)
        origin = Origin(archive="default", suite="", index=digest, release=digest, date="")
        found.add(text_of(data, name), name, origin)
    return found


def minbase(packages: Universe) -> tuple[Package, ...]:
    wanted = tuple(Relation(name) for name in essential_names(packages))
    found = resolve(Question(ground=Ground(packages, ()), packages=wanted), "minbase")
    return tuple(replace(one, path="", size=0, digest=None, origin=None) for one in found)


def ours(ground: Ground, names: Sequence[str], *, recommends: bool) -> dict[str, str]:
    question = Question(ground=ground, packages=tuple(map(Relation, names)), recommends=recommends)
    return {one.name: one.version for one in resolve(question, " ".join(names))}


def apts(base: Iterable[Package], names: Sequence[str], *, recommends: bool) -> dict[str, str]:
    """What `apt-get -s install` says on a machine that has the base."""
    with tempfile.TemporaryDirectory() as folder:
        status = "".join(f"{one.control}\nStatus: install ok installed\n\n" for one in base)
        Path(folder, "status").write_text(status)
        options = [f"Dir::State::status={folder}/status", f"Dir::State::extended_states={folder}/states"]
        options += [
            f"APT::Install-Recommends={str(recommends).lower()}",
            "Dir::Etc::preferencesparts=/dev/null",
        ]
        command = [
            "apt-get",
            "-s",
            *(word for option in options for word in ("-o", option)),
            "install",
            *names,
        ]
        ran = subprocess.run(
            command, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False
        )
    return dict(_INSTALLED.findall(ran.stdout))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="just deb-agreement", description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="'NAME NAME…'", help="default: a list of well-known ones")
    wanted = parser.parse_args(arguments).sets or SETS
    packages = universe()
    base = minbase(packages)
    print(
        "| packages | recommends | ours | apt's | seconds, ours | apt's | differing |\n|---|---|--:|--:|--:|--:|---|"
    )
    differing = 0
    for names in sorted(wanted):
        for recommends in (False, True):
            start = time.monotonic()
            try:
                mine = ours(Ground(packages, base), sorted(names.split()), recommends=recommends)
            except ResolutionError as error:
                mine = {"none": str(error)}
            middle = time.monotonic()
            theirs = apts(base, sorted(names.split()), recommends=recommends)
            end = time.monotonic()
            apart = sorted({name for name, _ in mine.items() ^ theirs.items()})
            differing += bool(apart)
            row = f"| {names} | {'yes' if recommends else 'no'} | {len(mine)} | {len(theirs)} "
            print(f"{row}| {middle - start:.2f} | {end - middle:.2f} | {', '.join(apart)} |", flush=True)
    print(f"\n{differing} of {2 * len(wanted)} differ", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
