"""Says whether the model just made is the one on record in model.digest; the first one goes on record."""

import json
import sys
from pathlib import Path

made = json.loads(Path("result.json").read_text())["model_digest"]
record = Path("model.digest")
if not record.exists():
    record.write_text(made + "\n")
    print(f"model {made} is on record in model.digest: commit it")
elif record.read_text().strip() == made:
    print(f"model {made} is the one on record")
else:
    sys.exit(f"model {made} is NOT the one on record in model.digest; remove that file if you changed the model on purpose")
