package sallyport.complete_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.live) == []

test_deny if {
	asked := good_test.changed(good_test.live, "/subject/type", "robot")
	good_test.reasons(asked) == ["invalid_input"]
}

test_missing if {
	asked := good_test.without(good_test.live, "/subject/id")
	good_test.reasons(asked) == ["invalid_input"]
}
