# The columns asked for: which of them the contract knows, what a view does to each, and whether others cover them.
package sallyport.dataset

import data.sallyport.asked

default columns := []

columns := asked.resource.columns

number := count(columns)

# All columns asked for in one text, which has no value if one of them is no text.
text := concat("\n", asked.resource.columns)

# METADATA
# title: Treatments
# description: What the views made for a lease do to each known column asked for, by its class. Worked out beforehand where it was.
treatments := object.filter(contract.treated, columns) if {
	sound
} else := {name: data.treatments[class] | some name, class in known}

# Each known column asked for, for whoever sees it as it is.
in_the_clear := object.filter(contract.clear, columns) if {
	sound
} else := {name: "clear" | some name, _ in treatments}

default known := {}

# Asked columns that the contract describes, and their classes.
known := object.filter(described.columns, columns) if sound

classes := {class | some class in given_classes; data.treatments[class]}

given_classes := {class | class := known[_]}

default all_known := false

# A column asked for twice is one column; looking up each is slow, so it is done only where the count does not settle it.
all_known if {
	count(treatments) == number
} else if {
	count([name | some name in columns; not treatments[name]]) == 0
}

# METADATA
# title: Every column asked for is among these
# description: Judged whether the dataset knows the column or not. `joined` is all of `names` in one text, as `text` is.
covered_by(names, joined) if {
	all_known
	same(names, joined)
} else if {
	all_known
	object.remove(treatments, names) == {}
} else if {
	not all_known
	count([name | some name in columns; not name in names]) == 0
}

# The same names in the same order. As many names with as many line ends in their text as there are between known columns, which
# have none (a contract that has one in a column's name is not among the contracts), can only be parted in one way.
same(names, joined) if {
	contract.sound
	count(names) == number
	joined == text
}
