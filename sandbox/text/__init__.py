"""Free text without identifiers: Presidio with recognisers of our own, and what the row's own record says."""

from sandbox.text.scrubber import Found, Scrubber

__all__ = ["Found", "Scrubber"]
