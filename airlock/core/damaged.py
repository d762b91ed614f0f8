"""What the standard library raises over archives that somebody damaged, or made so."""

import lzma
import zipfile
import zlib

UNPACKING = (zlib.error, lzma.LZMAError, EOFError)
"""By decompressors; that of bzip2 says OSError, as a disk does."""
ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, *UNPACKING)
