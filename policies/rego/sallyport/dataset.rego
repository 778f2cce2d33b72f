# METADATA
# title: Conditions on dataset, columns and purpose
# description: Shared by every way of reading live data. Of an unknown dataset neither columns nor purposes are judged.
package sallyport.dataset

import data.sallyport.values

# METADATA
# title: The dataset asked for is described
# description: By a contract that says what a decision needs. A truth is cheaper to look at than a contract.
default asked := false

asked if {
	values.list_of_texts(data.datasets[input.resource.id].purposes)
	values.whole(max_ttl)
	max_ttl > 0
	is_object(data.datasets[input.resource.id].columns)
	filters := object.get(data.datasets[input.resource.id], "row_filters", {})
	is_object(filters)
	count([name | filter := filters[name]; not is_string(filter)]) == 0
}

max_ttl := data.datasets[input.resource.id].max_ttl

columns := object.get(input.resource, "columns", [])

# METADATA
# title: Treatments
# description: What the views made for a lease do to each known column asked for, by its class. Worked out beforehand where it was.
treatments := object.filter(data.treated[input.resource.id], columns) if {
	asked
} else := {name: data.treatments[class] | some name, class in known}

default known := {}

# Asked columns that the contract describes, and their classes.
known := object.filter(data.datasets[input.resource.id].columns, columns) if asked

classes := {class | some class in given_classes; data.treatments[class]}

given_classes := {class | class := known[_]}

default all_known := false

# A column asked for twice is one column; looking up each is slow, so it is done only where the count does not settle it.
all_known if {
	count(treatments) == count(columns)
} else if {
	count([name | some name in columns; not treatments[name]]) == 0
}

# METADATA
# title: Every column asked for is among these
# description: Judged whether the dataset knows the column or not. Comparing whole objects first spares a look-up for each column.
covered_by(names) if {
	all_known
	count(object.remove(treatments, names)) == 0
} else if {
	not all_known
	count([name | some name in columns; not name in names]) == 0
}

# METADATA
# title: The dataset is known
# custom:
#   reason: unknown_dataset
#   sentence: No contract describes this dataset.
reasons contains "unknown_dataset" if not asked

# METADATA
# title: Every column is known
# custom:
#   reason: unknown_column
#   sentence: At least one column asked for is not in the dataset's contract.
reasons contains "unknown_column" if {
	asked
	not all_known
}

# METADATA
# title: Columns are named
# custom:
#   reason: no_columns
#   sentence: No column was asked for.
reasons contains "no_columns" if {
	asked
	count(columns) == 0
}

# METADATA
# title: A purpose is given
# custom:
#   reason: purpose_missing
#   sentence: No purpose was given.
purpose_reasons contains "purpose_missing" if {
	asked
	not purpose
}

# METADATA
# title: The purpose is permitted
# custom:
#   reason: purpose_not_permitted
#   sentence: The dataset may not be read for this purpose.
purpose_reasons contains "purpose_not_permitted" if {
	asked
	purpose
	not permitted
}

permitted if purpose in data.datasets[input.resource.id].purposes

purpose := input.context.purpose if input.context.purpose != ""

default row_filter := null

row_filter := data.datasets[input.resource.id].row_filters[purpose] if asked
