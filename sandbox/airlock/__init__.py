"""Door 4: what leaves the sandbox is looked at, by programs first and by two people then."""
