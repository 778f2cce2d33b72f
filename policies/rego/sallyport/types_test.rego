package sallyport.types_test

import data.sallyport.types

test_permit if {
	types.texts({"a": "x"}, ["a"])
	types.lists({"a": ["x"]}, ["a"])
	types.flags({"a": false}, ["a"])
	types.rows({"a": [{"b": "x", "at": 5}]}, "a", ["b"])
}

test_deny if {
	not types.texts({"a": 1}, ["a"])
	not types.lists({"a": ["x", 1]}, ["a"])
	not types.flags({"a": "false"}, ["a"])
	not types.rows({"a": [{"b": 1}]}, "a", ["b"])
}

test_missing if {
	types.texts({}, ["a"])
	types.rows({}, "a", ["b"])
	types.times({}, ["a"])
}
