# METADATA
# title: Conditions on dataset, columns and purpose
# description: Shared by every way of reading live data. Of an unknown dataset neither columns nor purposes are judged.
package sallyport.dataset

import data.sallyport.asked

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
