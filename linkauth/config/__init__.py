"""From the ini file to values."""
