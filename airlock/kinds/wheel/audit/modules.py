"""Which modules there are to be imported, told from the paths of installed files alone."""

from collections.abc import Iterable, Mapping
from typing import Literal

Answer = Literal["there", "namespace", "within", "missing"]
"""`within`: it would lie in a package that is there, which may make it by other means than a file of its own."""
_SUFFIXES = (".so", ".pyd")


class Modules:
    """`paths` maps the paths of files, relative to a folder in which Python looks for modules, to anything that tells where
    that is."""

    def __init__(self, paths: Iterable[tuple[str, str]]) -> None:
        self.files: dict[str, str] = {}
        self.packages: set[str] = set()
        self.namespaces: set[str] = set()
        for relative, path in paths:
            self._add(relative, path)
        self.namespaces -= self.files.keys()

    def _add(self, relative: str, path: str) -> None:
        if (name := module_name(relative)) is None:
            return
        self.files.setdefault(name, path)
        if relative.rpartition("/")[2].startswith("__init__."):
            self.packages.add(name)
        while name := name.rpartition(".")[0]:
            self.namespaces.add(name)

    def look_up(self, name: str) -> tuple[Answer, str]:
        """Whether a dotted name can be imported, and the part of it that decides: `a.b` of `a.b.c`, where that is missing."""
        known = ""
        longer = ""
        for part in name.split("."):
            longer = f"{longer}.{part}" if longer else part
            if longer in self.files:
                known = longer
            elif longer not in self.namespaces:
                return ("within" if known else "missing"), longer
        return ("there" if longer in self.files else "namespace"), longer

    def tops(self) -> frozenset[str]:
        return frozenset(name for name in (*self.files, *self.namespaces) if "." not in name)


def module_name(relative: str) -> str | None:
    """The dotted name of a file below a folder of modules; None where it is no module or cannot be imported by name."""
    folder, _, file = relative.rpartition("/")
    stem, dot, rest = file.partition(".")
    if rest != "py" and not (dot and f".{rest}".endswith(_SUFFIXES)):
        return None
    parts = [*filter(None, folder.split("/")), stem]
    if not all(part.isidentifier() for part in parts):
        return None
    return ".".join(parts[:-1] if stem == "__init__" else parts) or None


def absolute(module: str, level: int, importer: str, is_package: bool) -> str | None:
    """The absolute name of what `importer` imports, `level` dots before it; None where they lead above the top."""
    if not level:
        return module
    parts = importer.split(".") if importer else []
    above = level - 1 if is_package else level
    if above >= len(parts) + (1 if is_package and not module else 0) or above > len(parts):
        return None
    base = parts[: len(parts) - above]
    return ".".join([*base, module] if module else base) or None


def distributions_of(names: Mapping[str, object], module: str) -> tuple[str, ...]:
    """Of normalised names of distributions, those that a module is likely to come from."""
    top = module.partition(".")[0]
    likely = {_canonical(top), _canonical(module), _canonical(ALIASES.get(top, top))}
    return tuple(sorted(likely & names.keys()))


def _canonical(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").lower()


ALIASES: Mapping[str, str] = {
    "Crypto": "pycryptodome",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dns": "dnspython",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "google.protobuf": "protobuf",
    "grpc": "grpcio",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "magic": "python-magic",
    "multipart": "python-multipart",
    "odf": "odfpy",
    "pkg_resources": "setuptools",
    "psycopg2": "psycopg2-binary",
    "pythonjsonlogger": "python-json-logger",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "socks": "pysocks",
    "usb": "pyusb",
    "websocket": "websocket-client",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
    "zstandard": "zstandard",
}
"""Modules whose distribution has another name."""
