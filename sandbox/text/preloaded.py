"""Everything that reading a text needs, loaded: imported by the process from which the scrubber's processes are forked.

Each of them then starts with the lists and the language model in memory that it shares with the others.
"""

from __future__ import annotations

from contextlib import suppress

from sandbox.errors import EngineUnavailable
from sandbox.text.detect import find_all
from sandbox.text.engines import MODEL

with suppress(EngineUnavailable):  # another engine may be the one that is asked for
    find_all([("Seen with Anna Kowalczyk in Boston on 3 March 2021.", {})], MODEL)
