package sallyport.live_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.live) == []

test_deny if {
	asked := good_test.changed(good_test.live, "/subject/roles", ["operator"])
	good_test.reasons(asked) == ["role_not_permitted"]
}

test_missing if {
	asked := good_test.without(good_test.live, "/context/grant")
	good_test.reasons(asked) == ["no_grant"]
}
