package sallyport.decision_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.live) == []

test_deny if {
	asked := good_test.changed(good_test.live, "/action", "drop")
	good_test.reasons(asked) == ["unknown_action"]
}

test_missing if {
	asked := good_test.without(good_test.live, "/resource/zone")
	good_test.reasons(asked) == ["unknown_zone"]
}
