"""Tables as they come: read, checked and normalized."""
