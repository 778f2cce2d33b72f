"""What the model server counts of itself, as Prometheus reads it: requests by model, how they ended, how long they took."""

from __future__ import annotations

import threading
from collections import Counter

MEDIA_TYPE = "text/plain; version=0.0.4"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
OK = "ok"
UNKNOWN = "none"  # a name that no model answered under yet is the caller's own word, and is not repeated
REQUESTS, SECONDS = "sallyport_inference_requests_total", "sallyport_inference_seconds"


class Counts:
    """Requests of this process. Models by served name; no caller, no value."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: Counter[tuple[str, str]] = Counter()
        self._within: Counter[tuple[str, float]] = Counter()
        self._seconds: dict[str, float] = {}

    def add(self, model: str, code: str, seconds: float) -> None:
        """A request for that model has ended, with `ok` or the code of a refusal."""
        with self._lock:
            name = model if code == OK or (model, OK) in self._ended else UNKNOWN
            self._ended[name, code] += 1
            self._seconds[name] = self._seconds.get(name, 0.0) + seconds
            for bound in BUCKETS:
                if seconds <= bound:
                    self._within[name, bound] += 1

    def text(self) -> str:
        """Everything counted."""
        with self._lock:
            ended, within, seconds = dict(self._ended), dict(self._within), dict(self._seconds)
        lines = [f"# HELP {REQUESTS} Inference requests, by how they ended.", f"# TYPE {REQUESTS} counter"]
        lines += [f'{REQUESTS}{{model="{model}",code="{code}"}} {number}' for (model, code), number in sorted(ended.items())]
        lines += [f"# HELP {SECONDS} How long answers took.", f"# TYPE {SECONDS} histogram"]
        for model in sorted(seconds):
            total = sum(number for (of, _), number in ended.items() if of == model)
            lines += [f'{SECONDS}_bucket{{model="{model}",le="{bound}"}} {within.get((model, bound), 0)}' for bound in BUCKETS]
            lines += [
                f'{SECONDS}_bucket{{model="{model}",le="+Inf"}} {total}',
                f'{SECONDS}_sum{{model="{model}"}} {seconds[model]}',
            ]
            lines += [f'{SECONDS}_count{{model="{model}"}} {total}']
        return "\n".join(lines) + "\n"
