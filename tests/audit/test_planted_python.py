"""Shadow dependencies of Python code, each planted and each found; and what looks like one and is none."""

import pytest

from tests.audit.plant import SITE_PACKAGES, Findings, Plant
from tests.far.bundles import PYTHON


def told(plant: Plant) -> Findings:
    """The same before it ships and where it is installed."""
    there, here = plant.audit(), plant.audit_before_it_ships()
    assert [one.fingerprint for one in there.all] == [one.fingerprint for one in here.all]
    return there


def test_an_import_that_nothing_locked_provides(plant: Plant) -> None:
    plant.own(feed="import orjson\n")
    one = told(plant).one("python/import", "orjson")
    assert (one.severity, one.line) == ("error", 1)
    assert one.path == f"{SITE_PACKAGES}/gateway/feed.py"


def test_an_import_of_the_second_of_several_names(plant: Plant) -> None:
    plant.own(feed="import json, orjson as fast, sys\n")
    told(plant).one("python/import", "orjson")


def test_an_import_from_a_package(plant: Plant) -> None:
    plant.own(feed="from requests.adapters import (\n    HTTPAdapter,  # (\n    BaseAdapter,\n)\n")
    told(plant).one("python/import", "requests")


def test_an_import_behind_a_semicolon(plant: Plant) -> None:
    plant.own(feed="x = 1; import orjson\n")
    told(plant).one("python/import", "orjson")


def test_an_import_over_two_lines(plant: Plant) -> None:
    plant.own(feed="from orjson \\\n    import dumps\nimport \\\n  redis\n")
    found = told(plant)
    found.one("python/import", "orjson")
    found.one("python/import", "redis")


def test_an_import_in_a_class_body(plant: Plant) -> None:
    plant.own(feed="class Feed:\n    import orjson\n")
    told(plant).one("python/import", "orjson")


def test_an_import_that_a_package_does_when_it_is_loaded(plant: Plant) -> None:
    plant.wheel(
        "client", {"client/__init__.py": "from .core import x\n", "client/core.py": "import six\nx = 1\n"}
    )
    one = told(plant).one("python/import", "six")
    assert one.evidence == ("loaded by client → client.core",)


def test_an_import_in_a_submodule_that_another_package_loads(plant: Plant) -> None:
    plant.wheel("client", {"client/__init__.py": "", "client/contrib.py": "import socks\n"})
    plant.wheel("user", {"user/__init__.py": "from client import contrib\n"})
    one = told(plant).one("python/import", "socks")
    assert one.artifact == "wheel client 1.0"
    assert one.evidence == ("loaded by user → client.contrib",)


def test_an_import_in_a_submodule_that_the_application_loads_in_a_function(plant: Plant) -> None:
    plant.wheel("client", {"client/__init__.py": "", "client/contrib.py": "import socks\n"})
    plant.own(feed="def go():\n    from client.contrib import go\n")
    told(plant).one("python/import", "socks")


def test_an_import_in_a_submodule_that_nothing_loads_is_a_note(plant: Plant) -> None:
    plant.wheel("client", {"client/__init__.py": "", "client/contrib.py": "import socks\n"})
    assert told(plant).one("python/import-unreached", "socks").severity == "note"


def test_an_import_of_the_start_of_a_command(plant: Plant) -> None:
    files = {"tool/__init__.py": "", "tool/cli.py": "import click\ndef main(): ...\n"}
    plant.wheel("tool", files, entry_points="[console_scripts]\ntool = tool.cli:main\n")
    told(plant).one("python/import", "click")


def test_a_command_whose_module_is_not_there(plant: Plant) -> None:
    plant.wheel("tool", {"tool/__init__.py": ""}, entry_points="[console_scripts]\ntool = tool.gone:main\n")
    assert told(plant).of("python/entry-point")[0].severity == "error"


def test_a_part_of_a_namespace_that_is_not_locked(plant: Plant) -> None:
    plant.wheel("google-auth", {"google/auth/__init__.py": ""})
    plant.own(feed="import google.auth\nfrom google.cloud import storage\n")
    one = told(plant).one("python/import", "google.cloud")
    assert one.line == 2


def test_an_import_in_the_branch_of_this_platform(plant: Plant) -> None:
    text = "import sys\nif sys.platform == 'win32':\n    import win32api\nelse:\n    import orjson\n"
    plant.own(feed=text)
    found = told(plant)
    found.one("python/import", "orjson")
    assert not [one for one in found.all if one.name == "win32api"]


def test_an_import_in_the_branch_of_this_python(plant: Plant) -> None:
    text = "import sys\nif sys.version_info >= (3, 6):\n    import orjson\nelse:\n    import simplejson\n"
    plant.own(feed=text)
    found = told(plant)
    found.one("python/import", "orjson")
    assert not [one for one in found.all if one.name == "simplejson"]


def test_of_two_alternatives_neither_of_which_is_locked_the_last_is_the_fault(plant: Plant) -> None:
    plant.own(feed="try:\n    import ujson as json\nexcept ImportError:\n    import simplejson as json\n")
    found = told(plant)
    found.one("python/import", "simplejson")
    assert found.one("python/import-guarded", "ujson").severity == "note"


def test_of_two_alternatives_one_that_is_locked_will_do(plant: Plant) -> None:
    plant.wheel("simplejson", {"simplejson.py": ""})
    plant.own(feed="try:\n    import ujson as json\nexcept ImportError:\n    import simplejson as json\n")
    assert told(plant).grave() == []


def test_a_standard_module_that_this_python_no_longer_has(plant: Plant) -> None:
    plant.own(feed="import asynchat\nimport distutils.core\nimport imp\n")
    if PYTHON >= "3.12":
        told(plant).one("python/import", "asynchat")
    else:
        assert told(plant).grave() == []


def test_a_module_of_the_application_that_was_not_packed(plant: Plant) -> None:
    plant.own(feed="from . import tables\nfrom .missing import go\n", tables="")
    told(plant).one("python/import", "gateway.missing")


def test_an_import_that_the_application_does_in_a_function_is_a_warning(plant: Plant) -> None:
    plant.own(feed="def go():\n    import orjson\n")
    assert told(plant).one("python/import-lazy", "orjson").severity == "warning"


def test_a_module_that_the_application_names_as_text(plant: Plant) -> None:
    plant.own(feed="import importlib\nbackend = importlib.import_module('redis')\n")
    assert told(plant).one("python/import-dynamic", "redis").severity == "warning"


def test_a_module_that_has_the_name_of_one_of_the_applications_own(plant: Plant) -> None:
    plant.own(redis="import redis\n")
    told(plant).one("python/import", "redis")


def test_an_optional_dependency_that_the_application_needs_after_all(plant: Plant) -> None:
    files = {"gateway/__init__.py": "import redis\n"}
    plant.wheel("gateway", files, requires=["redis; extra == 'cache'"], extras=["cache"])
    assert told(plant).one("python/import-extra", "redis").severity == "warning"


def test_a_requirement_that_is_not_locked(plant: Plant) -> None:
    plant.wheel("client", {"client.py": ""}, requires=["urllib3>=2"])
    one = told(plant).one("python/requirement", "urllib3")
    assert one.artifact == "wheel client 1.0"
    assert "client 1.0 needs urllib3>=2" in one.message


def test_a_requirement_that_is_locked_in_another_version(plant: Plant) -> None:
    plant.wheel("urllib3", {"urllib3.py": ""})
    plant.wheel("client", {"client.py": ""}, requires=["urllib3>=2"])
    assert "urllib3 1.0 is locked" in told(plant).one("python/requirement", "urllib3").message


def test_a_requirement_of_an_extra_that_another_package_asks_for(plant: Plant) -> None:
    plant.wheel("web", {"web.py": ""}, requires=["h2; extra == 'http2'"], extras=["http2"])
    plant.wheel("client", {"client.py": ""}, requires=["web[http2]"])
    told(plant).one("python/requirement", "h2")


def test_a_requirement_of_another_platform_is_none(plant: Plant) -> None:
    plant.wheel("client", {"client.py": ""}, requires=["pywin32; sys_platform == 'win32'"])
    assert told(plant).grave() == []


def test_a_distribution_that_the_lock_does_not_name(plant: Plant) -> None:
    plant.own(feed="")
    folder = plant.packages / "agent-2.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: agent\nVersion: 2.0\n")
    assert plant.audit().one("python/distribution-unlocked").name == "agent"


def test_a_distribution_that_is_a_link_to_somebodys_checkout(plant: Plant) -> None:
    plant.own(feed="")
    (plant.packages / "agent.egg-link").write_text("/home/somebody/agent\n.")
    plant.audit().one("python/distribution-unlocked", "agent")


def test_an_import_that_only_an_unlocked_package_answers(plant: Plant) -> None:
    plant.own(feed="import orjson\n")
    (plant.packages / "orjson.py").write_text("")
    assert plant.audit().one("python/import-elsewhere", "orjson").severity == "error"


def test_a_path_file_that_nothing_locked_has(plant: Plant) -> None:
    plant.own(feed="")
    (plant.packages / "extra.pth").write_text("/opt/extra\n")
    found = plant.audit()
    assert {one.name for one in found.of("python/path-file")} == {"extra.pth", "/opt/extra"}


def test_a_locked_path_file_that_leads_out_of_the_generation(plant: Plant) -> None:
    plant.wheel("sly", {"sly.py": "", "sly.pth": "../../../../../../lib\nsly\n"})
    assert told(plant).of("python/path-file")[0].artifact == "wheel sly 1.0"


def test_a_locked_path_file_that_runs_code_is_a_note(plant: Plant) -> None:
    plant.wheel("sly", {"sly.py": "", "sly.pth": "import sly; sly.hook()\n"})
    assert told(plant).one("python/path-file-code").severity == "note"


@pytest.mark.parametrize("name", ["sitecustomize", "usercustomize"])
def test_a_start_up_module_that_nothing_locked_has(plant: Plant, name: str) -> None:
    plant.own(feed="")
    (plant.packages / f"{name}.py").write_text("")
    assert plant.audit().one("python/start-up-module", name).severity == "error"


def test_a_start_up_module_that_a_package_brings_is_a_warning(plant: Plant) -> None:
    plant.wheel("tracer", {"sitecustomize.py": ""})
    assert told(plant).one("python/start-up-module").severity == "warning"


def test_an_environment_that_takes_packages_of_the_system(plant: Plant) -> None:
    plant.own(feed="")
    path = plant.current / "pyvenv.cfg"
    path.write_text(path.read_text().replace("= false", "= true"))
    plant.audit().one("python/site-packages-outside")


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE"])
def test_a_variable_that_changes_what_python_finds(plant: Plant, name: str) -> None:
    plant.own(feed="")
    one = plant.audit(environment={name: "/opt/extra"}).one("python/environment", name)
    assert one.evidence == (f"{name}=/opt/extra",)


@pytest.mark.parametrize(
    "line", ["#!/usr/bin/env python3", "#!/usr/bin/python", "#!/opt/python/bin/python3.11 -s"]
)
def test_a_script_that_another_python_runs(plant: Plant, line: str) -> None:
    plant.file("bin/tool", f"{line}\nprint()\n".encode(), "0755")
    plant.own(feed="")
    assert told(plant).one("python/script-interpreter", "tool").severity == "error"


def test_a_script_of_the_generations_own_python_is_fine(plant: Plant) -> None:
    plant.wheel("tool", {"tool-1.0.data/scripts/tool": "#!python\nprint()\n", "tool.py": ""})
    assert told(plant).grave() == []


def test_a_script_that_imports_what_is_not_locked(plant: Plant) -> None:
    plant.wheel("tool", {"tool-1.0.data/scripts/tool": "#!python\nimport click\n", "tool.py": ""})
    told(plant).one("python/entry-point", "click")


def test_a_program_that_the_application_starts(plant: Plant) -> None:
    plant.own(feed="import subprocess\nsubprocess.run(['ffmpeg', '-i', 'x'])\n")
    assert told(plant).one("python/program", "ffmpeg").severity == "warning"


def test_a_program_that_the_application_starts_by_a_shell(plant: Plant) -> None:
    plant.own(feed="import os\ndef go():\n    os.system('git status')\n")
    told(plant).one("python/program", "git")


HARMLESS = {
    "for type checkers": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\n",
    "in a string": "TEXT = '''\nimport pandas\n'''\n",
    "suppressed": "from contextlib import suppress\nwith suppress(ImportError):\n    import pandas\n",
    "with a handler": "try:\n    import pandas\nexcept ImportError:\n    pandas = None\n",
    "with a handler of several": "try:\n    import pandas\nexcept (OSError, ModuleNotFoundError):\n    pandas = None\n",
    "asked for first": "from importlib.util import find_spec\nif find_spec('pandas'):\n    import pandas\n",
    "after a success": "try:\n    import cupy\nexcept ImportError:\n    pass\nelse:\n    import pandas\n",
    "of the standard library": "import os.path, xml.etree.ElementTree as tree, _thread, msvcrt\n",
    "of the future": "from __future__ import annotations\n",
    "for python 2": "import sys\nif sys.version_info[0] < 3:\n    import pandas\n",
    "for python 2 by six": "PY2 = False\nif PY2:\n    import pandas\n",
    "for windows": "import os\nif os.name == 'nt':\n    import pandas\n",
    "never": "if False:\n    import pandas\n",
    "of its own package": "from gateway import feed\nfrom . import feed as again\n",
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_an_import_is_harmless(plant: Plant, text: str) -> None:
    plant.own(feed=text)
    assert told(plant).grave() == []


def test_tests_and_examples_inside_a_package_are_left_alone(plant: Plant) -> None:
    files = {"gateway/__init__.py": "", "gateway/tests/test_a.py": "import pytest\n"}
    plant.wheel("gateway", {**files, "gateway/conftest.py": "import hypothesis\n"})
    assert told(plant).all == ()


def test_tests_that_other_code_loads_are_not(plant: Plant) -> None:
    files = {
        "gateway/__init__.py": "from gateway.testing import go\n",
        "gateway/testing.py": "import pytest\n",
    }
    plant.wheel("gateway", files)
    told(plant).one("python/import", "pytest")


def test_vendored_packages_answer_imports(plant: Plant) -> None:
    files = {"client/__init__.py": "import six\n", "client/_vendor/six.py": ""}
    plant.wheel("client", files)
    assert told(plant).one("python/import-sibling", "six").severity == "note"


def test_namespace_packages_of_two_distributions(plant: Plant) -> None:
    plant.wheel("acme-core", {"acme/core/__init__.py": ""})
    plant.wheel("acme-io", {"acme/io/__init__.py": "from acme import core\nimport acme.core\n"})
    assert told(plant).grave() == []


def test_submodules_that_an_extension_makes_up_are_a_note(plant: Plant) -> None:
    files: dict[str, str | bytes] = {"fast/__init__.py": "from fast._core.part import go\n"}
    files["fast/_core.abi3.so"] = b""
    plant.wheel("fast", files)
    assert told(plant).one("python/import-submodule").severity == "note"


def test_modules_that_six_makes_up(plant: Plant) -> None:
    plant.wheel("six", {"six.py": ""})
    plant.own(feed="from six.moves.urllib.parse import quote\n")
    assert told(plant).all == ()


def test_source_that_cannot_be_read_is_told(plant: Plant) -> None:
    plant.own(feed="import pandas\nprint 'two'\n")
    told(plant).one("python/unreadable")


def test_endless_nesting_is_told_and_not_followed(plant: Plant) -> None:
    plant.own(feed="import pandas\nx = " + "(" * 5000 + ")" * 5000 + "\n")
    told(plant).one("python/unreadable")
