"""Calls to the gateway from inside the jail: callers.py TOKEN. Prints {attempt: status}."""

import base64
import json
import sys
import urllib.error
import urllib.request

GATEWAY = "http://127.0.0.1:8080"


def status(path: str, token: str | None, method: str = "GET", body: dict | None = None, **headers: str) -> int:
    sent = {"Content-Type": "application/json", **headers}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    data = json.dumps(body).encode() if body is not None else None
    try:
        with urllib.request.urlopen(urllib.request.Request(GATEWAY + path, data, sent, method=method), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def words(value: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(token: str, **claims: object) -> str:
    """The same token with other claims and its old signature."""
    head, payload, signature = token.split(".")
    known = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"{head}.{words(known | claims)}.{signature}"


def main(token: str) -> None:
    head, payload, signature = token.split(".")
    unsigned = f"{words({'alg': 'none'})}.{payload}."
    live = {"dataset": "clinic", "columns": ["patients.ssn"], "purpose": "model-debugging"}
    print(json.dumps({
        "own identity": status("/v1/whoami", token),
        "no identity": status("/v1/whoami", None),
        "empty identity": status("/v1/whoami", ""),
        "unsigned": status("/v1/whoami", unsigned),
        "another person": status("/v1/whoami", forged(token, username="sam", roles="data-steward")),
        "more roles": status("/v1/whoami", forged(token, roles="data-scientist,data-steward")),
        "never ending": status("/v1/whoami", forged(token, exp=9999999999)),
        "damaged signature": status("/v1/whoami", f"{head}.{payload}.{signature[:-6]}AAAAAA"),
        "identity by header": status("/v1/whoami", None, **{"X-Forwarded-User": "sam", "X-Remote-User": "sam"}),
        "live data without a grant": status("/v1/leases", token, "POST", live),
        "evidence": status("/v1/audit/entries", token),
        "a snapshot to be built": status("/v1/snapshots", token, "POST", {"dataset": "clinic"}),
        "files above a snapshot": status("/v1/snapshots/..%2f..%2fsecrets/files", token),
        "tracking of another project": status("/mlflow/other/api/2.0/mlflow/experiments/search", token),
        "tracking server's files": status("/mlflow/readmission/../../etc/passwd", token),
    }))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
