# METADATA
# title: Values
# description: Kinds of values that are told from others, and the smaller of two.
package sallyport.values

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
