"""Door 4 as the gateway keeps it: requests, their bytes, findings, votes, and the cells of all that was released."""
