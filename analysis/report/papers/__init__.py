"""Papers about a trial: what they say, and how they are set.

What is written is in ``dossier``, ``committee`` and ``leaflets``; ``page``, ``pdf``, ``word``,
``rows`` and ``notebook`` set it. Content is plain data (:mod:`analysis.report.papers.blocks`), so
that every format says the same.
"""
