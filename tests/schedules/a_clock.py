"""A clock with a short lease that looks often; it says its name first."""

import signal
import sys
import threading
from datetime import timedelta

from trials.store.engine import Store
from web.jobs import clock

clock.LOOK_SECONDS = 1
made = clock.Clock(Store.open(sys.argv[1]), length=timedelta(seconds=2))
print(made.name, flush=True)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
made.run(stop)
