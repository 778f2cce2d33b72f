package sallyport.approvals_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.live) == []

test_deny if {
	asked := good_test.changed(good_test.live, "/context/grant/approvals/0/by", "dana")
	good_test.reasons(asked) == ["approvals_missing", "self_approval"]
}

test_missing if {
	asked := good_test.without(good_test.live, "/context/grant/approvals")
	good_test.reasons(asked) == ["approvals_missing"]
}
