"""Themes: their contract, their loader, languages, and every page in every state."""
