"""The control matrix for programs: NIST's own schema takes it, as compliance-trestle implements it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from trestle.oscal.assessment_results import AssessmentResults

from compliance.entries import ObjectRef
from compliance.ledger import append
from compliance.regulations import profile_names
from tests.compliance.conftest import START, decision, fill
from tests.compliance.test_bundle import export


@pytest.mark.parametrize("profile", profile_names())
def test_trestle_reads_the_assessment_results_of_every_profile(app: Any, tmp_path: Path, profile: str) -> None:
    fill(app, 3)
    append(app, decision(4, type="lease:opened", object=ObjectRef("lease", "l1"), refs={}), now=START + timedelta(minutes=4))
    export(app, tmp_path / "b", profile=profile)
    path = tmp_path / "b" / "controls" / "oscal-assessment-results.json"
    found = AssessmentResults.oscal_read(path)
    rows = [row for row in json.loads((tmp_path / "b" / "controls" / "matrix.json").read_text())["rows"] if row["control"]]
    assert found is not None and len(found.results) == 1
    assert len(found.results[0].observations) == len(rows)
    states = {str(finding.target.status.state.value) for finding in found.results[0].findings or ()}
    assert states <= {"satisfied", "not-satisfied"}


def test_a_document_that_is_no_oscal_is_refused_so_that_the_test_above_can_fail(app: Any, tmp_path: Path) -> None:
    export(app, tmp_path / "b")
    path = tmp_path / "b" / "controls" / "oscal-assessment-results.json"
    value = json.loads(path.read_text())
    value["assessment-results"]["results"][0]["start"] = "yesterday"
    path.write_text(json.dumps(value))
    with pytest.raises(Exception, match=r"(?i)start|datetime|valid"):
        AssessmentResults.oscal_read(path)
