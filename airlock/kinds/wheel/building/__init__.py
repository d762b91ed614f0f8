"""Source distributions and trees become wheels: in an environment of pinned tools, without a network, twice, compared.

`Builder.build` in `builder.py` is the way in. What a build may and may not touch: docs/sdists.md.
"""
