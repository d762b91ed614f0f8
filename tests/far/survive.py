"""The full sweeps over a real bundle: `python -m tests.far.survive cut|full|broken|kill [OLD NEW]`, or `just survival`.

OLD and NEW are folders of wheels, of which the 24 of the fewest files are taken; without them wheels are made.
"""

import argparse
import errno
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from airlock.airgapped.gc import collect
from airlock.airgapped.install import Choices, install
from airlock.airgapped.restored import delta_supply
from airlock.airgapped.rollback import rollback
from airlock.airgapped.site import Site
from airlock.airgapped.switch import Unhealthy
from airlock.airgapped.update import update
from airlock.airgapped.verify import verify_signatures
from airlock.kinds.registry import kind_named
from airlock.storage.archive import Archive
from tests.far.apply_steps import ApplySweep
from tests.far.bundles import fake_host, later
from tests.far.kills import Kills
from tests.far.survival import Act, Sweep
from tests.far.two_versions import Versions, Wheels, made_wheels, make_versions, real_wheels

CHOICES = Choices(kinds=kind_named, host=fake_host, allow_downgrade=True)
_PACKAGES = 24
_KILLS = 500
_AGAIN = 151
"""Of so many recoveries, one is interrupted as well."""
_STEP = 50
"""Kills between two lines."""
_CODES = {"full": errno.ENOSPC, "broken": errno.EIO}


def acts_of(versions: Versions) -> dict[str, tuple[Act, Act, set[str]]]:
    """What comes first, what is interrupted, and what may then be found."""
    root = versions.path("root.json").read_bytes()

    def put(name: str, time: int) -> Act:
        def act(site: Site) -> None:
            with versions.path(f"{name}.airlock").open("rb") as stream:
                bundle = verify_signatures(Archive(stream, stream.name), root, later(0).now)
                install(bundle, site, CHOICES, later(time))

        return act

    one, two = put("1", 1), put("2", 2)

    def up(site: Site) -> None:
        with versions.path("up.airdelta").open("rb") as stream:
            update(Archive(stream, stream.name), root, site, delta_supply, CHOICES, later(5))

    def both(site: Site) -> None:
        one(site)
        two(site)

    def nothing(site: Site) -> None: ...

    def sick(site: Site) -> None:
        with suppress(Unhealthy):
            put("sick", 5)(site)

    return {
        "first": (nothing, one, {"", "1.0"}),
        "install": (one, two, {"1.0", "2.0"}),
        "update": (one, up, {"1.0", "2.0"}),
        "reverted": (one, sick, {"1.0", "2.0"}),
        "rollback": (both, lambda site: rollback(site, None, later(5)), {"1.0", "2.0"}),
        "gc": (both, lambda site: collect(site, 0, later(5), nobody), {"2.0"}),
    }


def nobody(root: Path, numbers: Iterable[int]) -> frozenset[int]:
    return frozenset()


def next_one(versions: Versions) -> Act:
    """Whichever of both versions is not in use."""
    acts = acts_of(versions)

    def act(site: Site) -> None:
        current = site.current_generation()
        acts["first" if current is None or current.version == "2.0" else "install"][1](site)

    return act


def swept(versions: Versions, name: str, arguments: argparse.Namespace) -> int:
    """Returns the number of cases."""
    if name == "apply":
        return _apply_swept(versions, arguments)
    setup, act, outcomes = acts_of(versions)[name]
    with TemporaryDirectory(dir=versions.folder) as folder:
        how = _how(arguments.what)
        part = arguments.part
        return how(
            Sweep(Path(folder), setup, act, next_one(versions), outcomes, arguments.chances, part=part)
        )


def _apply_swept(versions: Versions, arguments: argparse.Namespace) -> int:
    whole = versions.path("2.airlock").read_bytes()
    with TemporaryDirectory(dir=versions.folder) as folder:
        sweep = ApplySweep(Path(folder), versions.path("1.airlock"), versions.path("up.airdelta"), whole)
        if arguments.what == "cut":
            return len(sweep.power_cuts(arguments.chances))
        return sweep.faults(_CODES[arguments.what])


def main() -> None:
    arguments = _arguments()
    with TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name).resolve()
        one, two = _wheels(arguments.wheels)
        versions = make_versions(folder, one, two)
        print(f"{versions.packages} packages, {versions.files} files", flush=True)
        began = time.monotonic()
        if arguments.what == "kill":
            (folder / "kill").mkdir()
            kills = Kills(versions, folder / "kill", Random(arguments.seed))
            for killed in range(_STEP, arguments.kills + _STEP, _STEP):
                counts = kills.run(min(killed, arguments.kills))
                print(
                    "  " + ", ".join(f"{what} {count}" for what, count in sorted(counts.items())), flush=True
                )
        else:
            for act in arguments.act or [*acts_of(versions), "apply"]:
                cases = swept(versions, act, arguments)
                print(
                    f"  {arguments.what} {act}: {cases} cases, {time.monotonic() - began:.0f} s", flush=True
                )


def _wheels(folders: Sequence[Path]) -> tuple[Wheels, Wheels]:
    if not folders:
        return made_wheels(1), made_wheels(2)
    old, new = folders
    return real_wheels(old, new, _PACKAGES)


def _how(what: str) -> Callable[[Sweep], int]:
    if what == "cut":
        return Sweep.power_cuts
    return lambda sweep: sweep.faults(_CODES[what])


def _part(text: str) -> tuple[int, int]:
    number, _, parts = text.partition("/")
    return int(number), int(parts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("what", choices=["cut", "full", "broken", "kill"])
    parser.add_argument("wheels", type=Path, nargs="*", help="two folders")
    parser.add_argument("--act", action="append", help="only this one")
    parser.add_argument("--chances", type=int, default=2, help="images by chance before each step")
    parser.add_argument("--part", type=_part, default=(1, 1), metavar="1/3", help="only every third step")
    parser.add_argument("--kills", type=int, default=_KILLS)
    parser.add_argument("--seed", type=int, default=4, help="of the moments")
    parser.add_argument("--folder", type=Path, default=None, help="where to work")
    return parser.parse_args()


if __name__ == "__main__":
    main()
