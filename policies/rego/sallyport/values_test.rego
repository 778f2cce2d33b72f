package sallyport.values_test

import data.sallyport.values

test_permit if {
	values.texts({"a": "x"}, ["a"])
	values.lists({"a": ["x"]}, ["a"])
	values.flags({"a": false}, ["a"])
	values.rows({"a": [{"b": "x", "at": 5}]}, "a", ["b"])
	values.whole(9007199254740991)
	values.least(7200, 10000) == 7200
}

test_deny if {
	not values.texts({"a": 1}, ["a"])
	not values.lists({"a": ["x", 1]}, ["a"])
	not values.flags({"a": "false"}, ["a"])
	not values.rows({"a": [{"b": 1}]}, "a", ["b"])
	not values.whole(9007199254740992)
	not values.whole(1.5)
	not values.whole(true)
}

test_missing if {
	values.texts({}, ["a"])
	values.rows({}, "a", ["b"])
	values.times({}, ["a"])
}
