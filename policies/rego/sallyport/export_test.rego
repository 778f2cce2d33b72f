package sallyport.export_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.export) == []

test_deny if {
	asked := good_test.changed(good_test.export, "/subject/roles", ["operator"])
	good_test.reasons(asked) == ["role_not_permitted"]
}

test_missing if {
	asked := good_test.without(good_test.export, "/subject/roles")
	good_test.reasons(asked) == ["role_not_permitted"]
}
