package sallyport.dataset_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.live) == []

test_deny if {
	asked := good_test.changed(good_test.live, "/resource/columns", ["p.birth", "p.birth", "*"])
	good_test.reasons(asked) == ["column_not_granted", "unknown_column"]
}

test_missing if {
	asked := good_test.without(good_test.live, "/resource/columns")
	good_test.reasons(asked) == ["no_columns"]
}
