package sallyport.build_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.build) == []

test_deny if {
	asked := good_test.changed(good_test.build, "/resource/unclassified", ["p.x"])
	good_test.reasons(asked) == ["unclassified_column"]
}

test_missing if {
	asked := good_test.without(good_test.build, "/resource/unclassified")
	good_test.reasons(asked) == ["unclassified_column"]
}
