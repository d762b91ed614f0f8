"""The transfer dossier, `airlock report`: what crosses, what changed, who signed, for the person who signs off.

`facts` makes one value of what was read; `page`, `markdown` and `document` tell it. All are pure, and the same facts give the same
bytes: no clock, no name of this machine.
"""
