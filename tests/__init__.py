from hypothesis import settings

# A machine that does something else as well is no failure.
settings.register_profile("airlock", deadline=None)
settings.load_profile("airlock")
