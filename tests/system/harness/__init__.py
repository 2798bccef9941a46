"""What the system tests stand on: a private daemon in its own namespaces, guests, terminals, transcripts."""
