"""What can go wrong on a model's way into production."""

from __future__ import annotations

from typing import ClassVar


class PromotionError(Exception):
    """A model could not be promoted or served."""

    code: ClassVar[str] = "promotion_error"


class InvalidModelContract(PromotionError):
    """The model contract cannot be used."""

    code: ClassVar[str] = "invalid_model_contract"


class InvalidModelTree(PromotionError):
    """The model's folder holds something other than plain files."""

    code: ClassVar[str] = "invalid_model_tree"


class LiveRowsUnfit(PromotionError):
    """The live tables are not as their dataset contract says."""

    code: ClassVar[str] = "live_rows_unfit"


class SnapshotOutdated(PromotionError):
    """The snapshot was built under another version of its dataset contract, so nobody knows whom of today it held back."""

    code: ClassVar[str] = "snapshot_outdated"


class PromotionNotFound(PromotionError):
    """There is no such promotion."""

    code: ClassVar[str] = "promotion_not_found"


class WrongState(PromotionError):
    """The promotion is not in a state from which this step is possible."""

    code: ClassVar[str] = "wrong_state"


class ApprovalRefused(PromotionError):
    """Policy does not take this approval."""

    code: ClassVar[str] = "approval_refused"

    def __init__(self, message: str, reasons: tuple[str, ...], decision_id: str) -> None:
        super().__init__(message)
        self.reasons, self.decision_id = reasons, decision_id


class DeploymentRefused(ApprovalRefused):
    """Policy does not allow the deployment."""

    code: ClassVar[str] = "deployment_refused"


class WaiverRefused(PromotionError):
    """The waiver, or the closing of a finding, is not taken."""

    code: ClassVar[str] = "waiver_refused"

    def __init__(self, message: str, reasons: tuple[str, ...] = (), decision_id: str = "") -> None:
        super().__init__(message)
        self.reasons, self.decision_id = reasons, decision_id


class FindingNotFound(PromotionError):
    """There is no such open finding."""

    code: ClassVar[str] = "finding_not_found"


class NotDeployed(PromotionError):
    """No model of that name is deployed."""

    code: ClassVar[str] = "model_not_found"


class Tampered(PromotionError):
    """The bytes or their signature are not those that were approved; they are not used."""

    code: ClassVar[str] = "tampered"


class StoreUnavailable(PromotionError):
    """The model store cannot be written: its volume is full, read-only or gone. What stood there stands."""

    code: ClassVar[str] = "store_unavailable"


class NotComparable(PromotionError):
    """The model does not take what the champion takes, so it cannot stand beside it."""

    code: ClassVar[str] = "not_comparable"


class ReadingDenied(ApprovalRefused):
    """Policy does not let this caller read live features."""

    code: ClassVar[str] = "denied"


class LiveUnavailable(PromotionError):
    """The live rows cannot be read now."""

    code: ClassVar[str] = "live_unavailable"
