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
