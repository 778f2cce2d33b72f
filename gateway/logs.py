"""Logs as JSON lines for machines: what happened where, how long it took; never who asked, what was sent or what was found."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

REQUESTS = logging.getLogger("sallyport.requests")
FIELDS = "sallyport_fields"


class JsonLines(logging.Formatter):
    """One JSON object a line. Of an exception, only its type and place: its text may hold data."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = getattr(record, FIELDS, None)
        said |= fields if isinstance(fields, dict) else {"message": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            said["error"] = place(record.exc_info[1])
        return json.dumps(said, ensure_ascii=False)


def configure() -> None:
    """This process logs JSON lines to standard error: requests, and of everything else what is at least a warning."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    REQUESTS.setLevel(logging.INFO)


def log_request(*, method: str, route: str, status: int, milliseconds: float) -> None:
    """The request is in the log by its route, never by its path, in which there may be names."""
    fields = {"method": method, "route": route, "status": status, "milliseconds": round(milliseconds, 1)}
    REQUESTS.info("request", extra={FIELDS: fields})


def place(error: BaseException) -> str:
    """Type of the error, and file and line where it was raised."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} at {where}"
