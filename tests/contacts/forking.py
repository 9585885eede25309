"""Imports in processes of their own: loaded once, then forked for each that is asked for.

A line of JSON on standard input, ``[[url, file, place, number], …]``, starts them all at once; the
line that answers has for each its status (negative: the signal that killed it) and what it counted.
With a number above 0 a process kills itself, without clearing up, at that statement or commit.
"""

import json
import os
import signal
import sys
from pathlib import Path

from sqlalchemy import event

from trials.contacts import load
from trials.people.identifiers import Hasher
from trials.store.engine import Store

KEY = b"a key that only the tests know, 32 bytes or more"


def take(url, path, place, number):
    """Import a file, or die at the ``number``-th ``place``."""
    left = number

    def perhaps_die(*_):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    store = Store.open(url)
    event.listen(store.engine, place, perhaps_die)
    done = load.add(store, Path(path), hasher=Hasher(KEY), actor="t")
    return [done.added, done.unchanged, done.corrected]


def start(job):
    """Fork a process for a job; answers its number and where it tells what it counted."""
    told, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        return child, told
    status = 1
    try:
        os.write(tell, json.dumps(take(*job)).encode())
        status = 0
    finally:
        os._exit(status)


for line in sys.stdin:
    running = [start(job) for job in json.loads(line)]
    answers = []
    for child, told in running:
        with os.fdopen(told) as stream:
            text = stream.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        answers.append([status, json.loads(text) if text else None])
    print(json.dumps(answers), flush=True)
