# What nothing can be judged without is there.
package sallyport.shape

import data.sallyport.asked

# METADATA
# title: Nothing is missing that no reason names
# description: Who asks, about what kind of thing, when (where time matters) and whose work it is (where others must approve it).
complete if {
	asked.me != ""
	subject_known
	asked.resource.type == data.sallyport.resource_type
	time_given
	author_given
}

subject_known if {
	asked.subject.type == "person"
} else if {
	asked.subject.type == "service"
}

time_given if {
	asked.now
} else if {
	asked.action in {"build", "distribute", "erase", "release", "admit", "export"}
} else if {
	data.sallyport.steps.asks
}

# Whoever made it cannot be told from whoever approves it when the author is not named.
author_given if {
	asked.action == "read"
} else if {
	asked.resource.author != ""
} else if {
	asked.action in {"build", "distribute", "erase", "export", "submit", "reject", "withdraw"}
}
