"""Assignment at the moment of contact: which arm somebody gets, in a fraction of a millisecond.

``served`` is a trial as the service holds it in memory, ``recorder`` writes down who was given
what, ``service`` puts the two together and is all that a caller needs.
"""
