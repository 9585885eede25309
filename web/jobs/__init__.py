"""Work in the background: the worker and what it can do, the clock, and the mails' way out."""
