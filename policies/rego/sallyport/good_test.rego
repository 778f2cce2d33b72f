# METADATA
# title: Good questions for the tests
# description: Each is allowed; the tests change one thing and look at the answer. Not part of the policies.
package sallyport.good_test

contracts := {"clinic": {
	"purposes": ["model-debugging", "re-identification"],
	"max_ttl": 7200,
	"row_filters": {"model-debugging": "consent"},
	"columns": {"p.ssn": "direct", "p.birth": "quasi"},
}}

person := {
	"id": "dana",
	"type": "person",
	"roles": ["data-scientist"],
	"projects": ["readmission"],
	"training_until": 2000,
	"mfa": true,
}

dataset := {
	"type": "dataset",
	"id": "clinic",
	"project": "readmission",
	"zone": "live",
	"columns": ["p.birth"],
}

grant := {
	"id": "g1",
	"subject": "dana",
	"dataset": "clinic",
	"purpose": "model-debugging",
	"columns": ["p.birth"],
	"not_before": 900,
	"expires": 1500,
	"revoked": false,
	"approvals": [{"by": "sam", "role": "data-steward", "at": 800}],
}

live := {
	"subject": person,
	"action": "read",
	"resource": dataset,
	"context": {"now": 1000, "purpose": "model-debugging", "grant": grant},
}

sandbox := {
	"subject": person,
	"action": "read",
	"resource": object.union(dataset, {"zone": "sandbox"}),
	"context": {"now": 1000},
}

break_glass := {
	"subject": object.union(person, {"roles": ["on-call"]}),
	"action": "read",
	"resource": dataset,
	"context": {
		"now": 1000,
		"purpose": "incident-response",
		"break_glass": {"justification": "down", "incident": "INC-1"},
	},
}

service := {
	"subject": {"id": "scorer", "type": "service"},
	"action": "read",
	"resource": dataset,
	"context": {"now": 1000, "promotion": {
		"state": "deployed",
		"service": "scorer",
		"dataset": "clinic",
		"columns": ["p.birth"],
	}},
}

build := {
	"subject": object.union(person, {"roles": ["data-steward"]}),
	"action": "build",
	"resource": {"type": "snapshot", "id": "clinic", "unclassified": []},
	"context": {"now": 1000},
}

promote := {
	"subject": person,
	"action": "promote",
	"resource": {
		"type": "model",
		"id": "m",
		"digest": "d",
		"tier": "low",
		"author": "dana",
		"checks": [{"name": name, "outcome": "passed", "digest": "d"} |
			some name in ["artifact", "lineage", "data-quality", "performance"]
		],
		"findings": [],
		"approvals": [{"by": "vera", "role": "model-validator", "digest": "d", "at": 900}],
	},
	"context": {"now": 1000},
}

release := {
	"subject": person,
	"action": "release",
	"resource": {
		"type": "egress",
		"id": "e",
		"digest": "d",
		"author": "dana",
		"findings": [],
		"approvals": [
			{"by": "olga", "role": "output-checker", "digest": "d"},
			{"by": "otto", "role": "output-checker", "digest": "d"},
		],
	},
	"context": {"now": 1000},
}

erase := {
	"subject": object.union(person, {"roles": ["data-steward"]}),
	"action": "erase",
	"resource": {"type": "dataset", "id": "clinic", "project": "readmission"},
	"context": {"now": 1000},
}

distribute := {
	"subject": {"id": "opa", "type": "service"},
	"action": "distribute",
	"resource": {"type": "policies", "id": "bundle"},
	"context": {"now": 1000},
}

export := {
	"subject": object.union(person, {"roles": ["compliance-officer"]}),
	"action": "export",
	"resource": {"type": "audit", "id": "ledger"},
	"context": {"now": 1000},
}

# METADATA
# title: A good question with one field changed, or left out
changed(question, path, value) := json.patch(question, [{"op": "replace", "path": path, "value": value}])

without(question, path) := json.patch(question, [{"op": "remove", "path": path}])

reasons(question) := codes if {
	codes := data.sallyport.decision.reasons with input as question with data.datasets as contracts
}
