package sallyport.asked_test

import data.sallyport.asked
import data.sallyport.good_test

test_permit if {
	question := good_test.live
	found := [asked.action, asked.me, asked.now, asked.dataset, asked.grant] with input as question
	found == ["read", "dana", 1000, "clinic", good_test.grant]
}

test_deny if {
	question := good_test.changed(good_test.live, "/action", "write")
	good_test.reasons(question) == ["unknown_action"]
}

test_missing if {
	question := good_test.without(good_test.live, "/context/now")
	not asked.now with input as question
	good_test.reasons(question) == ["invalid_input"]
}
