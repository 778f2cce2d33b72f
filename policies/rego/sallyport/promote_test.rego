package sallyport.promote_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.promote) == []

test_deny if {
	asked := good_test.changed(good_test.promote, "/resource/checks/0/outcome", "skipped")
	good_test.reasons(asked) == ["check_failed"]
}

test_missing if {
	asked := good_test.without(good_test.promote, "/resource/checks")
	good_test.reasons(asked) == ["check_missing"]
}
