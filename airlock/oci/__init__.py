"""Images by the specifications of the Open Container Initiative: references, documents, registries, layouts and archives. What
images are to airlock, `kinds/image` knows; here is what any program that reads or writes them has to know.
"""
