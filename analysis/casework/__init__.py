"""What follows a result, kept: assumptions, decisions, roll-outs, benefits, next steps, papers.

The rules are pure and live in :mod:`analysis.scaling`; here they meet the database.
"""
