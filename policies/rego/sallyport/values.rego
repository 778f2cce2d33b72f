# METADATA
# title: Types of values
# description: Each rule holds where the named fields that are present are of its type; a missing field is no matter here.
package sallyport.values

# `concat` takes a list of texts only: with anything else, or anything else among them, it has no value, and neither has the rule.
texts(fields, names) if concat("", [value | some name in names; value := fields[name]])

flags(fields, names) if count([name | some name in names; value := fields[name]; not is_boolean(value)]) == 0

objects(fields, names) if count([name | some name in names; value := fields[name]; not is_object(value)]) == 0

times(fields, names) if count([name | some name in names; value := fields[name]; not whole(value)]) == 0

lists(fields, names) if count([name | some name in names; value := fields[name]; not list_of_texts(value)]) == 0

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

list_of_texts(value) if concat("", value)

# METADATA
# title: A whole number
# description: Within the integers that every JSON reader keeps exactly (RFC 8259 section 6). Only a number has a floor.
whole(value) if {
	value <= 9007199254740991
	value >= -9007199254740991
	floor(value) == value
}

# METADATA
# title: Four times as times are
# description: Whole numbers that are not negative, told in few steps as nothing is left of them beyond 53 bits.
small(a, b, c, d) if bits.rsh(bits.or(bits.or(a, b), bits.or(c, d)), 53) == 0

# METADATA
# title: The smaller of two numbers
# description: Instead of the built-in `min`, which the embedded engine gets wrong for numbers of different length.
least(a, b) := a if {
	a <= b
} else := b
