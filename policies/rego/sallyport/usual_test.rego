package sallyport.usual_test

import data.sallyport.good_test
import data.sallyport.usual

test_permit if {
	found := usual.decision with input as good_test.live with data.datasets as good_test.contracts
	found.allow
}

test_deny if {
	asked := good_test.changed(good_test.live, "/subject/roles", ["operator"])
	found := usual.decision with input as asked with data.datasets as good_test.contracts
	found == {"allow": false, "reasons": ["role_not_permitted"], "obligations": {}}
}

test_missing if {
	asked := good_test.without(good_test.live, "/context/now")
	not usual.decision with input as asked with data.datasets as good_test.contracts
}

test_not_usual if {
	asked := good_test.changed(good_test.live, "/resource/zone", "sandbox")
	not usual.decision with input as asked with data.datasets as good_test.contracts
}
