"""Features defined once, as Ibis expressions: run on a snapshot for training and on live PostgreSQL for scoring, unchanged.

from sandbox.features import Beside, Definition, History, Rows, year
"""

from __future__ import annotations

from sandbox.features.compiled import Compiled
from sandbox.features.definitions import Beside, Definition, History, Rows
from sandbox.features.expressions import year
from sandbox.features.training import training_frame

__all__ = ["Beside", "Compiled", "Definition", "History", "Rows", "training_frame", "year"]
