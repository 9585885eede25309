"""Takes and ends jobs until none is left, and says which."""

import sys

from trials import jobs
from trials.store.engine import Store

url, owner = sys.argv[1:]
store = Store.open(url)
while True:
    with store.write() as session:
        job = jobs.claim(session, owner)
    if job is None:
        break
    with store.write() as session:
        assert jobs.finish(session, job, {"by": owner})
    print(job.id)
