"""Rehearsals: synthetic trials with a known truth, for teaching, testing and demonstration.

``rehearsal.read`` reads what is to be planted, ``run.simulate`` writes the files and the exact
truth, ``repeat.Repeated`` draws the same trial again and again in memory, ``wychbridge`` holds the
specimens of the demonstration council, ``background`` the rest of a council's contacts, and
``eight_by_eight.export`` turns a contacts file into what the telephone platform would export.
"""
