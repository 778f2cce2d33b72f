"""What can go wrong in the sandbox. No message holds a value of the data: tables, columns and counts only."""

from __future__ import annotations

from typing import ClassVar


class SandboxError(Exception):
    """A safe copy could not be made or used."""

    code: ClassVar[str] = "sandbox_error"


class InvalidContract(SandboxError):
    """The dataset contract cannot be used."""

    code: ClassVar[str] = "invalid_contract"


class SourceMismatch(SandboxError):
    """The data is not as its contract says."""

    code: ClassVar[str] = "source_mismatch"


class KUnreachable(SandboxError):
    """The asked k cannot be reached without suppressing too much."""

    code: ClassVar[str] = "k_unreachable"


class CertificateRefused(SandboxError):
    """The release certificate is over the limits of policy; nothing was written."""

    code: ClassVar[str] = "certificate_refused"


class InvalidLimits(SandboxError):
    """The limits of certificates that policy data sets cannot be used, so nothing is released under them."""

    code: ClassVar[str] = "invalid_limits"


class BuildFailed(SandboxError):
    """The snapshot could not be written; nothing of it was kept."""

    code: ClassVar[str] = "build_failed"


class SparkUnavailable(BuildFailed):
    """Spark is not installed here, or cannot start."""

    code: ClassVar[str] = "spark_unavailable"


class InvalidSnapshot(SandboxError):
    """The folder is not a whole, unchanged, signed snapshot."""

    code: ClassVar[str] = "invalid_snapshot"


class InvalidTable(SandboxError):
    """The table cannot be measured."""

    code: ClassVar[str] = "invalid_table"


class InvalidNotes(SandboxError):
    """The notes, or the table of what is known, cannot be used."""

    code: ClassVar[str] = "invalid_notes"


class InvalidFeatures(SandboxError):
    """The feature definition cannot be used."""

    code: ClassVar[str] = "invalid_features"


class BubblewrapMissing(SandboxError):
    """The program that isolates processes is missing or does not work here."""

    code: ClassVar[str] = "bubblewrap_missing"


class EngineUnavailable(SandboxError):
    """The language model for free text is not installed, or cannot be loaded."""

    code: ClassVar[str] = "engine_unavailable"
