package sallyport.release_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.release) == []

test_deny if {
	asked := good_test.changed(good_test.release, "/resource/approvals/1/by", "olga")
	good_test.reasons(asked) == ["approvals_missing"]
}

test_missing if {
	asked := good_test.without(good_test.release, "/resource/findings")
	good_test.reasons(asked) == ["open_findings"]
}

coming := object.union(good_test.release, {"action": "admit", "resource": object.union(good_test.release.resource, {"type": "ingress"})})

test_permit_in if good_test.reasons(coming) == []

test_deny_in if {
	asked := good_test.changed(coming, "/resource/approvals/1/by", "dana")
	good_test.reasons(asked) == ["approvals_missing", "self_approval"]
}

# Reviews of files that leave let nothing in, and the other way round.
test_kinds_apart if {
	good_test.reasons(good_test.changed(coming, "/resource/type", "egress")) == ["invalid_input"]
	good_test.reasons(good_test.changed(good_test.release, "/resource/type", "ingress")) == ["invalid_input"]
}
