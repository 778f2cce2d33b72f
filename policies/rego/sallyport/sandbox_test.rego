package sallyport.sandbox_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.sandbox) == []

test_deny if {
	asked := good_test.changed(good_test.sandbox, "/subject/type", "service")
	good_test.reasons(asked) == ["role_not_permitted"]
}

test_missing if {
	asked := good_test.without(good_test.sandbox, "/subject/projects")
	good_test.reasons(asked) == ["not_in_project"]
}
