"""What the gateway knows by name: projects and their keys, datasets and their contracts, snapshots and their files."""
