"""What can go wrong with evidence."""

from __future__ import annotations

from typing import ClassVar


class ComplianceError(Exception):
    """Evidence could not be written, read or trusted."""

    code: ClassVar[str] = "compliance_error"


class InvalidEntry(ComplianceError):
    """The entry is not of the form the ledger takes."""

    code: ClassVar[str] = "invalid_entry"


class UntrustedAttestation(ComplianceError):
    """The attestation is not signed by a key that is trusted, or is not of the right form."""

    code: ClassVar[str] = "untrusted_attestation"


class UnknownProfile(ComplianceError):
    """There is no regulation profile of that name."""

    code: ClassVar[str] = "profile_not_found"


class ExportFailed(ComplianceError):
    """The bundle could not be written whole, so nothing of it was kept."""

    code: ClassVar[str] = "export_failed"


class LedgerRewritten(ComplianceError):
    """The ledger does not agree with a checkpoint published before: it was cut, rewritten or forked."""

    code: ClassVar[str] = "ledger_rewritten"


class EmptyPeriod(ComplianceError):
    """The period ends before it begins."""

    code: ClassVar[str] = "empty_period"


class ExportNotFound(ComplianceError):
    """There is no such export."""

    code: ClassVar[str] = "export_not_found"


class CheckpointRefused(ComplianceError):
    """The witness does not sign the checkpoint."""

    code: ClassVar[str] = "checkpoint_refused"
