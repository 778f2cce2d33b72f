"""The artifact scan: is this model of a format that cannot run code? Nothing scanned is run, imported or unpacked."""

from promotion.scan.scanner import Finding, ScanReport, scan_model

__all__ = ["Finding", "ScanReport", "scan_model"]
