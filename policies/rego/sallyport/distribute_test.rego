package sallyport.distribute_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.distribute) == []

test_permit_officer if {
	asked := good_test.changed(good_test.distribute, "/subject", object.union(good_test.person, {"roles": ["compliance-officer"]}))
	good_test.reasons(asked) == []
}

test_deny if {
	asked := good_test.changed(good_test.distribute, "/subject/id", "scorer")
	good_test.reasons(asked) == ["role_not_permitted"]
}

test_deny_person_of_that_name if {
	asked := good_test.changed(good_test.distribute, "/subject/type", "person")
	good_test.reasons(asked) == ["role_not_permitted"]
}

test_missing if {
	asked := good_test.without(good_test.distribute, "/subject/type")
	good_test.reasons(asked) == ["invalid_input"]
}
