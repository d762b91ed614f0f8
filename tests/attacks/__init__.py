"""What an adversary may try, each attack by its name: one module a family, one small function an attack.

An attack prepares a machine, usually by putting a hostile file on its media, and returns the commands that must refuse it:
each with exit code 5, with nothing on the machine changed. `docs/threat-model.md` lists them all.
"""
