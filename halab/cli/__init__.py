"""What each command selects, does and prints."""
