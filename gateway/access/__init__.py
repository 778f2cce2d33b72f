"""Door 2: requests, grants and leases on live data."""
