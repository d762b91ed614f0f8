"""`airlock lock --cross-check`: pip-compile's answer beside ours."""

import json
import sys

from tests.commands import Shell
from tests.index_server import Index
from tests.lock_shell import index, place, shell, write
from tests.locking import Workplace
from tests.wheel_factory import make_wheel

__all__ = ["index", "place", "shell"]

HERE = ("here", f"{sys.version_info[0]}.{sys.version_info[1]}", "manylinux_2_17_x86_64")
ELSEWHERE = ("ship", "3.99", "musllinux_1_2_aarch64")


def test_both_come_to_the_same(shell: Shell, place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1.0", requires=["lib<3", "extra; extra == 'more'"], extras=["more"]))
    index.add(make_wheel("lib", "2.0"), make_wheel("lib", "3.0"), make_wheel("extra", "1.0"))
    index.add(make_wheel("held", "1.0"), make_wheel("held", "2.0"))
    place.targets = (HERE, ELSEWHERE)
    write(place, 'requirements = ["app[more]", "held"]\nconstraints = ["held<2"]')
    outcome = shell.airlock("lock", "--cross-check")
    assert outcome.stderr.splitlines()[-1] == "pip-compile comes to the same"
    told = json.loads(shell.airlock("lock", "--cross-check", "--json").stdout)
    assert told == {"agrees": True, "disagreements": []}


def test_each_disagreement_is_told_with_both_versions(shell: Shell, place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1.0", requires=["lib"]), make_wheel("lib", "1.0"))
    place.targets = (HERE,)
    write(place, 'requirements = ["app"]')
    shell.airlock("lock", "-q")
    index.add(make_wheel("app", "2.0", requires=["other"]), make_wheel("other", "1.0"))
    outcome = shell.airlock("lock", "--cross-check", code=3)
    assert outcome.stdout == (
        "app: airlock 1.0, pip-compile 2.0 [here]\n"
        "lib: airlock 1.0, pip-compile none [here]\n"
        "other: airlock none, pip-compile 1.0 [here]\n"
    )
    told = json.loads(shell.airlock("lock", "--cross-check", "--json", code=3).stdout)
    assert told["disagreements"][0] == {"name": "app", "target": "here", "ours": "1.0", "theirs": "2.0"}


def test_a_target_that_this_python_cannot_stand_for_is_refused(
    shell: Shell, place: Workplace, index: Index
) -> None:
    index.add(make_wheel("app", "1.0"))
    place.targets = (ELSEWHERE,)
    write(place, 'requirements = ["app"]')
    refused = shell.airlock("lock", "--cross-check", code=2)
    assert "cannot stand for any target (ship)" in refused.stderr
