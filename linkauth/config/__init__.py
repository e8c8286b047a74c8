"""Reads the ini file, validates it, and returns typed settings."""
