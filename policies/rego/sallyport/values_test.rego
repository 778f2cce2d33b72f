package sallyport.values_test

import data.sallyport.values

test_permit if {
	values.whole(9007199254740991)
	values.list_of_texts(["x"])
	values.small(0, 1, 2, 9007199254740991)
	values.least(7200, 10000) == 7200
}

test_deny if {
	not values.whole(9007199254740992)
	not values.whole(1.5)
	not values.whole(true)
	not values.small(0, 1, -2, 3)
	not values.small(0, 1, 2, 9007199254740992)
}

# What is not there is not of any kind.
test_missing if {
	[1 | values.whole(input.nothing)] == []
	[1 | values.list_of_texts(input.nothing)] == []
}
