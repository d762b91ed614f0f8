"""Keys as people handle them: passphrases at a terminal and in scripts, permissions, and a PKCS #11 token."""

import contextlib
import io
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from airlock import cli
from tests.far.bundles import bundle, file_item

NOTHING: Mapping[str, str] = {}
pytestmark = pytest.mark.journey

FOLDERS = ("lib/softhsm", "lib/*/softhsm", "lib64/softhsm", "lib64/pkcs11", "local/lib/softhsm")
MODULE = next(
    (path for folder in FOLDERS for path in sorted(Path("/usr").glob(f"{folder}/libsofthsm2.so"))), None
)


def airlock(
    folder: Path, *arguments: str, code: int = 0, stdin: str = "", environment: Mapping[str, str] = NOTHING
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "airlock", *arguments],
        cwd=folder,
        env=os.environ | dict(environment),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


def at_a_terminal(folder: Path, arguments: Sequence[str], answers: Sequence[str]) -> tuple[int, str]:
    """Run airlock at a terminal of its own, where each question gets the next answer."""
    terminal, other_end = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "airlock", *arguments],
        cwd=folder,
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
    )
    os.close(other_end)
    said, left = b"", list(answers)
    while True:
        try:
            chunk = os.read(terminal, 1024)
        except OSError:
            break
        if not chunk:
            break
        said += chunk
        if said.endswith(b": ") and left:
            os.write(terminal, left.pop(0).encode() + b"\n")
    os.close(terminal)
    return child.wait(), said.decode()


def test_a_terminal_is_asked_for_the_passphrase_twice_and_never_shows_it(tmp_path: Path) -> None:
    code, said = at_a_terminal(tmp_path, ["key", "new", "a"], ["correct horse", "correct horse"])
    assert (code, said.count("passphrase"), "horse" in said) == (0, 1, False)
    assert (tmp_path / "a.key").read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    code, said = at_a_terminal(tmp_path, ["key", "show", "a.key"], ["correct horse"])
    assert code == 0 and "horse" not in said
    assert json.loads((tmp_path / "a.pub").read_text())["keyid"] in said
    code, said = at_a_terminal(tmp_path, ["key", "new", "b"], ["one", "other"])
    assert code == 2 and "not the same twice" in said and "run it again" in said
    code, said = at_a_terminal(tmp_path, ["key", "new", "b"], [""])
    assert code == 2 and "new passphrase: empty" in said and "--no-passphrase" in said
    assert at_a_terminal(tmp_path, ["key", "show", "a.key"], ["wrong"])[0] == 2
    assert not (tmp_path / "b.key").exists()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    with contextlib.chdir(tmp_path):
        yield tmp_path


@contextlib.contextmanager
def given(line: str) -> Iterator[None]:
    """What a pipe gives."""
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(line.encode()))
    try:
        yield
    finally:
        sys.stdin = before


def test_scripts_give_the_passphrase_in_a_file_or_on_stdin(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with given("secret\n"):
        assert cli.main(["key", "new", "a", "--passphrase-file", "-"]) == 0
    (here / "secret").write_text("secret\n")
    capsys.readouterr()
    assert cli.main(["key", "show", "a.key", "--passphrase-file", "secret", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["keyid"] == json.loads((here / "a.pub").read_text())["keyid"]
    with given(""):
        assert cli.main(["key", "show", "a.key"]) == 2
    asked = capsys.readouterr().err
    assert "no terminal to ask at" in asked and "--passphrase-file" in asked
    with given("\n"):
        assert cli.main(["key", "new", "b", "--passphrase-file", "-"]) == 2


def test_a_key_without_a_passphrase_is_made_for_who_asks_for_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with given(""):
        assert cli.main(["key", "new", "a"]) == 2
    refused = capsys.readouterr().err
    assert "no terminal to ask at" in refused and "--no-passphrase" in refused and not list(here.iterdir())
    for name in ("a", "b"):
        assert cli.main(["key", "new", name, "--no-passphrase"]) == 0
    quiet = capsys.readouterr()
    assert "warning" not in quiet.err and "PRIVATE" not in quiet.out + quiet.err
    for name in ("a", "b"):
        assert (here / f"{name}.key").stat().st_mode & 0o777 == 0o600
        assert (here / f"{name}.key").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_a_private_key_that_others_can_read_is_told_of(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["key", "new", "a", "--no-passphrase"]) == 0
    initiate = ["trust", "init", "--root", "a.key", "--release", "a.pub", "-o"]
    assert cli.main([*initiate, "one.json"]) == 0
    assert "chmod" not in capsys.readouterr().err
    (here / "a.key").chmod(0o644)
    assert cli.main([*initiate, "two.json"]) == 0
    assert "chmod 600 a.key" in capsys.readouterr().err


@pytest.fixture
def token(tmp_path: Path) -> dict[str, str]:
    """A SoftHSM token with one key, and the environment that finds it."""
    pkcs11 = pytest.importorskip("pkcs11")
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    environment = {"SOFTHSM2_CONF": str(configuration), "PYKCS11LIB": str(MODULE)}
    (tmp_path / "pin").write_text("1234\n")
    pins = ("--pin", "1234", "--so-pin", "5678")
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "safe", *pins],
        env=os.environ | environment,
        capture_output=True,
        check=True,
    )
    assert pkcs11
    subprocess.run([sys.executable, "-c", GENERATE], env=os.environ | environment, check=True)
    return environment


GENERATE = """
import os, pkcs11
from pkcs11.util.ec import encode_named_curve_parameters
token = pkcs11.lib(os.environ["PYKCS11LIB"]).get_token(token_label="safe")
with token.open(user_pin="1234", rw=True) as session:
    curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True).generate_keypair(store=True, id=bytes([2]))
"""


@pytest.mark.skipif(
    MODULE is None or shutil.which("softhsm2-util") is None, reason="needs SoftHSM (Debian: softhsm2)"
)
def test_a_key_on_a_token_signs_releases_and_roots(tmp_path: Path, token: dict[str, str]) -> None:
    pin = ("--passphrase-file", "pin")
    made = airlock(tmp_path, "key", "import-hsm", "safe", "--label", "safe", environment=token)
    assert made.stdout == "safe.token\nsafe.pub\n"
    initiate = ("trust", "init", "--root", "safe.token", "--release", "safe.pub")
    airlock(tmp_path, *initiate, *pin, environment=token)
    (tmp_path / "b.airlock").write_bytes(bundle([file_item("share/a", b"a")]))
    airlock(tmp_path, "sign", "b.airlock", "--key", "safe.token", *pin, environment=token)
    verified = airlock(tmp_path, "verify", "b.airlock", "--trust", "trust-root.json")
    assert "1 of 1 release keys" in verified.stdout
    before = (tmp_path / "b.airlock").read_bytes()
    wrong = airlock(
        tmp_path,
        "sign",
        "b.airlock",
        "--key",
        "safe.token",
        "--passphrase-file",
        "-",
        stdin="9999\n",
        code=2,
        environment=token,
    )
    assert "the token cannot be used, PinIncorrect" in wrong.stderr and "9999" not in wrong.stderr
    nowhere = token | {"PYKCS11LIB": str(tmp_path / "no.so")}
    lost = airlock(tmp_path, "sign", "b.airlock", "--key", "safe.token", *pin, code=2, environment=nowhere)
    assert "PYKCS11LIB" in lost.stderr
    absent = ("key", "import-hsm", "other", "--id", "7", *pin)
    assert "could not find" in airlock(tmp_path, *absent, code=2, environment=token).stderr
    assert (tmp_path / "b.airlock").read_bytes() == before
    assert not (tmp_path / "other.token").exists()


@pytest.mark.parametrize("words", [["-q", "new", "k"], ["new", "-q", "k"], ["new", "k", "--quiet"]])
def test_quiet_may_stand_behind_a_command_and_behind_a_part_of_it(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["key", *words, "--no-passphrase", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""
