"""The artifact scan: is this model of a format that cannot run code? Nothing scanned is run, imported or unpacked."""

from promotion.scan.bounded import scan_model
from promotion.scan.report import Finding, ScanReport
from promotion.scan.scanner import scan_here

__all__ = ["Finding", "ScanReport", "scan_here", "scan_model"]
