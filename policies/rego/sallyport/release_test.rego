package sallyport.release_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.release) == []

test_deny if {
	asked := good_test.changed(good_test.release, "/resource/approvals/1/by", "olga")
	good_test.reasons(asked) == ["approvals_missing"]
}

test_missing if {
	asked := good_test.without(good_test.release, "/resource/findings")
	good_test.reasons(asked) == ["open_findings"]
}
