"""From a typed name and password to a person."""
