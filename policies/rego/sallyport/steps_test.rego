package sallyport.steps_test

import data.sallyport.good_test

step(action, roles) := {
	"subject": object.union(good_test.person, {"id": "vera", "roles": roles}),
	"action": action,
	"resource": {"type": "model", "id": "m", "project": "readmission", "author": "dana", "check": "fairness"},
	"context": {"now": 1000},
}

permitted := {
	"submit": "data-scientist",
	"waive": "compliance-officer",
	"close": "model-validator",
	"reject": "data-steward",
	"deploy": "operator",
	"withdraw": "compliance-officer",
}

test_permit if {
	every action, name in permitted {
		good_test.reasons(step(action, [name])) == []
	}
}

test_deny_role if {
	every action, _ in permitted {
		good_test.reasons(step(action, ["on-call", "privacy-officer", "output-checker"])) == ["role_not_permitted"]
	}
}

test_deny_own_work if {
	every action in ["waive", "close", "deploy"] {
		asked := good_test.changed(step(action, ["model-validator"]), "/resource/author", "vera")
		good_test.reasons(asked) == ["self_approval"]
	}
}

test_deny_service if {
	asked := good_test.changed(step("deploy", ["operator"]), "/subject/type", "service")
	good_test.reasons(asked) == ["role_not_permitted"]
}

test_deny_check if {
	asked := good_test.changed(step("waive", ["model-validator"]), "/resource/check", "lineage")
	good_test.reasons(asked) == ["check_not_waivable"]
}

test_deny_project if {
	asked := good_test.changed(step("deploy", ["operator"]), "/resource/project", "elsewhere")
	good_test.reasons(asked) == ["not_in_project"]
}

test_missing_author if {
	every action in ["waive", "close", "deploy"] {
		good_test.reasons(good_test.without(step(action, ["model-validator"]), "/resource/author")) == ["invalid_input"]
	}
}

test_missing_check if {
	asked := good_test.without(step("waive", ["model-validator"]), "/resource/check")
	good_test.reasons(asked) == ["check_not_waivable"]
}

test_missing_roles if {
	asked := good_test.without(step("deploy", ["operator"]), "/subject/roles")
	good_test.reasons(asked) == ["role_not_permitted"]
}
