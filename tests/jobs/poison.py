"""Jobs that misbehave, for the worker's tests: registered by the tests under their own kinds."""

from __future__ import annotations

import os
import time

from trials.errors import Invalid, Problem, SignpostError


def fine(job, store, progress):
    progress("Half way", 50)
    return {"said": job.payload["say"], "pid": os.getpid()}


def raises(job, store, progress):
    raise ValueError("secret 07700 900123")


def refuses(job, store, progress):
    raise SignpostError("the file has no header", "export it again")


def refuses_rows(job, store, progress):
    raise Invalid("outcomes.csv", [Problem("line 3", "the arm is not known", "correct it", line=3)])


def dies(job, store, progress):
    os._exit(9)


def hangs(job, store, progress):
    progress("Hanging", None)
    time.sleep(60)


def eats(job, store, progress):
    hoard = []
    while True:
        hoard.append(bytearray(20 << 20))
        time.sleep(0.02)
