"""From the log to evidence, and from evidence to money."""
