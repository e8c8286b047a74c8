"""What an ini file may say, and whether it is good enough to start with."""
