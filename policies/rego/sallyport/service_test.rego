package sallyport.service_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.service) == []

test_deny if {
	asked := good_test.changed(good_test.service, "/context/promotion/state", "approved")
	good_test.reasons(asked) == ["not_deployed"]
}

test_missing if {
	asked := good_test.without(good_test.service, "/context/promotion")
	good_test.reasons(asked) == ["no_promotion"]
}
