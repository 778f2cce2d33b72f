"""Every operation of the OpenAPI description, as every role, by schemathesis: no server error, no answer that is not described.

Written to standard output as one JSON object: for each role the requests sent and the failures by kind. FUZZ_EXAMPLES says how
many examples an operation gets beyond those that cover its parameters one by one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.load import clinic_stack

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "10")
ROLES = ("dana", "sam", "vera", "carl", "olga", "odile", "omar", "scoring")
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection"
)
# The token stands in the environment, not in the command line.
SETTINGS = '[headers]\nAuthorization = "Bearer ${SALLYPORT_FUZZ_TOKEN}"\n'
GENERATED, FAILURE = re.compile(r"(\d+) generated"), re.compile(r"❌ (ST\d+ [\w -]+): (\d+)")


def fuzz(url: str, token: str, *, examples: str, phases: str, seed: str = "1") -> subprocess.CompletedProcess[str]:
    """Schemathesis has sent its requests with that token; its report is on standard output."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "schemathesis.toml"
        settings.write_text(SETTINGS)
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(settings), "run", f"{url}/v1/openapi.json",
            "--phases", phases, "-n", examples, "--continue-on-failure", "--no-color", "--warnings", "off", "-c", CHECKS,
            "--seed", seed, "--request-timeout", "60",
        ]  # fmt: skip
        environment = {**os.environ, "SALLYPORT_FUZZ_TOKEN": token}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def main() -> None:
    from gateway.commands.caller import connect
    from gateway.settings import Settings

    said = {}
    with clinic_stack():
        for role in ROLES:
            done = fuzz(Settings.load().gateway_url, connect(role).token(), examples=EXAMPLES, phases="coverage,fuzzing")
            sent = GENERATED.search(done.stdout)
            failures = {kind: int(count) for kind, count in FAILURE.findall(done.stdout)}
            said[role] = {"requests": int(sent[1]) if sent else 0, "failures": failures, "passed": done.returncode == 0}
            print(f"{role}: {said[role]}", file=sys.stderr)
            if done.returncode:
                print(done.stdout, file=sys.stderr)
    print(json.dumps({"examples": int(EXAMPLES), "roles": said}))


if __name__ == "__main__":
    main()
