# METADATA
# title: Conditions on dataset, columns and purpose
# description: Shared by every way of reading live data.
package sallyport.dataset

# METADATA
# title: The dataset asked for
# description: Its purposes, longest lease and column classes as its contract gives them; undefined when the contract lacks one.
asked := found if {
	found := data.datasets[input.resource.id]
	is_array(found.purposes)
	is_number(found.max_ttl)
	is_object(found.columns)
}

columns := object.get(input.resource, "columns", [])

known_columns := {name | some name in columns; data.treatments[asked.columns[name]]}

unknown_columns := {name | some name in columns; not name in known_columns}

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
	count(unknown_columns) > 0
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
	not purpose in asked.purposes
}

purpose := input.context.purpose if input.context.purpose != ""

classes := {class | some name in known_columns; class := asked.columns[name]}

# METADATA
# title: Treatments
# description: What the views made for a lease do to each column asked for, by its class.
treatments := {name: data.treatments[asked.columns[name]] | some name in known_columns}

row_filter := object.get(object.get(asked, "row_filters", {}), object.get(input.context, "purpose", ""), null)
