"""A model contract says what is wrong with it, and its digest follows its meaning."""

from __future__ import annotations

import pytest
from door_three import TEXT

from promotion.errors import InvalidModelContract
from promotion.model_contracts import FeatureDefinition, load_model_contract


def test_a_contract_is_read_and_its_digest_follows_its_meaning_not_its_spelling():
    contract = load_model_contract(TEXT)
    assert [alert.seconds for alert in contract.alerts] == [3_600, 600, 86_400]
    assert load_model_contract("# a note\n" + TEXT).digest == contract.digest
    assert load_model_contract(TEXT.replace("0.7", "0.71")).digest != contract.digest


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("name: readmission", "name: ../evil", "name"),
        ("tier: low", "tier: none", "tier"),
        ("owner: dana", "owners: dana", "owner"),
        ("type: float", "type: pickle", "inputs.0.type"),
        ("name: x, type", "name: 'x y', type", "inputs.0.name"),
        ("at_least: 0.7", "at_least: 7", "metrics.0.at_least"),
        ("name: roc_auc", "name: magic", "metrics.0.name"),
        ("missing:x", "missing:z", "alert"),
        ("window: 1h", "window: soon", "alerts.0.window"),
        ("metrics:", "fairness: {groups: [], max_difference: 0.1}\nmetrics:", "fairness.groups"),
        ("metrics:", "fairness: {groups: [sex], max_difference: 2}\nmetrics:", "fairness.max_difference"),
        ("inputs: [", "inputs: [{name: x, type: float}, ", "twice"),
        ("owner: dana", "owner: !!python/name:os.system", "YAML"),
        ("owner: dana", "owner: [", "YAML"),
        (TEXT, "[]", "contract"),
        (TEXT, "", "contract"),
    ],
)
def test_what_is_wrong_is_named(old, new, named):
    assert old in TEXT
    with pytest.raises(InvalidModelContract, match=named):
        load_model_contract(TEXT.replace(old, new, 1))


def test_the_published_definition_is_part_of_what_is_signed():
    definition = {"name": "a", "version": "1", "digest": "sha256:" + "0" * 64, "live_sql": "SELECT 3"}
    plain = load_model_contract(TEXT)
    named = plain.model_copy(update={"feature_definition": FeatureDefinition(**definition)})
    assert plain.feature_definition is None
    assert named.digest != plain.digest
