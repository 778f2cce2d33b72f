package sallyport.contract_test

import data.sallyport.dataset
import data.sallyport.good_test

test_permit if {
	found := dataset.sound with input as good_test.live with data.datasets as good_test.contracts
	found
}

test_deny if {
	contracts := {"clinic": object.union(good_test.contracts.clinic, {"max_ttl": 0})}
	found := dataset.sound with input as good_test.live with data.datasets as contracts
	not found
}

test_missing if {
	found := dataset.sound with input as good_test.live with data.datasets as {}
	not found
}
