"""Exposures and outcomes in batches: durable when acknowledged, counted once, refused by row."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import urllib.error
import urllib.request

import orjson as json
import pytest
