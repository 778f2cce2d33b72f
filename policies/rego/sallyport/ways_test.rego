package sallyport.ways_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.sandbox) == []

test_deny if {
	asked := good_test.changed(good_test.sandbox, "/subject/roles", ["operator"])
	good_test.reasons(asked) == ["role_not_permitted"]
}

test_missing if {
	asked := good_test.without(good_test.sandbox, "/resource/zone")
	good_test.reasons(asked) == ["unknown_zone"]
}
