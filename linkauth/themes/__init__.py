"""Themes: the contract, the template loader, languages, and the list of page states."""
