package sallyport.break_glass_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.break_glass) == []

test_deny if {
	asked := good_test.changed(good_test.break_glass, "/context/break_glass/incident", " ")
	good_test.reasons(asked) == ["justification_missing"]
}

test_missing if {
	asked := good_test.without(good_test.break_glass, "/context/break_glass/justification")
	good_test.reasons(asked) == ["justification_missing"]
}
