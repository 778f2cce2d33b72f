# METADATA
# title: Types of fields
# description: Each rule holds where the named fields that are present are of its type; a missing field is no matter here.
package sallyport.types

import data.sallyport.values

# `concat` takes a list of texts only: with anything else, or anything else among them, it has no value, and neither has the rule.
texts(fields, names) if concat("", [value | some name in names; value := fields[name]])

flags(fields, names) if count([name | some name in names; value := fields[name]; not is_boolean(value)]) == 0

objects(fields, names) if count([name | some name in names; value := fields[name]; not is_object(value)]) == 0

times(fields, names) if count([name | some name in names; value := fields[name]; not values.whole(value)]) == 0

lists(fields, names) if count([name | some name in names; value := fields[name]; not values.list_of_texts(value)]) == 0

# METADATA
# title: Rows
# description: Objects whose named texts are texts, whose `at` is a time and whose `open` is a flag.
rows(fields, name, names) if {
	found := object.get(fields, name, [])
	is_array(found)
	count([row | some row in found; not row_typed(row, names)]) == 0
}

row_typed(row, names) if {
	is_object(row)
	texts(row, names)
	times(row, ["at"])
	flags(row, ["open"])
}
