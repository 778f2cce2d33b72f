"""What operators do: back up and restore, rotate keys, bring databases to this release's tables."""
