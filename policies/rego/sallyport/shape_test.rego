package sallyport.shape_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.live) == []

test_deny if {
	asked := good_test.changed(good_test.live, "/context/now", "1000")
	good_test.reasons(asked) == ["invalid_input"]
}

test_missing if {
	asked := good_test.without(good_test.live, "/context/now")
	good_test.reasons(asked) == ["invalid_input"]
}
