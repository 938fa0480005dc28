"""Files that are whole or not there: downloads with a checksum, writes that cannot be cut short."""
