package sallyport.columns_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.live) == []

test_deny if {
	asked := good_test.changed(good_test.live, "/resource/columns", ["p.nothing"])
	"unknown_column" in good_test.reasons(asked)
}

test_missing if {
	asked := good_test.without(good_test.live, "/resource/columns")
	"no_columns" in good_test.reasons(asked)
}
