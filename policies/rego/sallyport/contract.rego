# The contract of the dataset asked for. On this build columns.rego and dataset.rego, as a server takes one file after another.
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
