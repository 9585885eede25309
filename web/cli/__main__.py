"""``python -m web.cli`` is ``signpost``."""

from web.cli.main import main

main()
