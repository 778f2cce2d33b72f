package sallyport.person_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.live) == []

test_deny if {
	asked := good_test.changed(good_test.live, "/subject/mfa", false)
	good_test.reasons(asked) == ["mfa_required"]
}

test_missing if {
	asked := good_test.without(good_test.live, "/subject/training_until")
	good_test.reasons(asked) == ["training_expired"]
}
