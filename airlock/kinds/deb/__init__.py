"""The kind `deb`: Debian packages, resolved against what the far machine has, as an unpacked prefix or a local repository."""
