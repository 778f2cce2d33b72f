"""Free text without identifiers: Presidio with recognisers of our own, and what the row's own record says."""

from sandbox.text.detect import Found
from sandbox.text.scrubber import Scrubber

__all__ = ["Found", "Scrubber"]
