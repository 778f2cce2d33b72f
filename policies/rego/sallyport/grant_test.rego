package sallyport.grant_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.live) == []

test_deny if {
	asked := good_test.changed(good_test.live, "/context/grant/expires", 1000)
	good_test.reasons(asked) == ["grant_expired"]
}

test_missing if {
	asked := good_test.without(good_test.live, "/context/grant/not_before")
	good_test.reasons(asked) == ["grant_not_yet_valid"]
}
