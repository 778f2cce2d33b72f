# METADATA
# title: Conditions on dataset, columns and purpose
# description: Shared by every way of reading live data. Of an unknown dataset neither columns nor purposes are judged.
package sallyport.dataset

import data.sallyport.asked
import data.sallyport.values

# What is worked out beforehand of a sound contract, and the contract itself.
contract := data.contracts[asked.dataset]

described := data.datasets[asked.dataset]

# METADATA
# title: The dataset asked for is described
# description: By a contract that says what a decision needs. A truth is cheaper to look at than a contract.
default sound := false

sound if {
	contract.sound
} else if {
	values.list_of_texts(described.purposes)
	values.whole(max_ttl)
	max_ttl > 0
	is_object(described.columns)
	filters := object.get(described, "row_filters", {})
	is_object(filters)
	count([name | filter := filters[name]; not is_string(filter)]) == 0
}

max_ttl := described.max_ttl

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

# METADATA
# title: The dataset is known
# custom:
#   reason: unknown_dataset
#   sentence: No contract describes this dataset.
reasons contains "unknown_dataset" if not sound

# METADATA
# title: Every column is known
# custom:
#   reason: unknown_column
#   sentence: At least one column asked for is not in the dataset's contract.
reasons contains "unknown_column" if {
	sound
	not all_known
}

# METADATA
# title: Columns are named
# custom:
#   reason: no_columns
#   sentence: No column was asked for.
reasons contains "no_columns" if {
	sound
	number == 0
}

# METADATA
# title: A purpose is given
# custom:
#   reason: purpose_missing
#   sentence: No purpose was given.
purpose_reasons contains "purpose_missing" if {
	sound
	not purpose
}

# METADATA
# title: The purpose is permitted
# custom:
#   reason: purpose_not_permitted
#   sentence: The dataset may not be read for this purpose.
purpose_reasons contains "purpose_not_permitted" if {
	sound
	purpose
	not permitted
}

permitted if purpose in described.purposes

purpose := given if {
	given := asked.context.purpose
	not given == ""
}

default row_filter := null

row_filter := described.row_filters[purpose] if sound
