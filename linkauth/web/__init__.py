"""The request before a view sees it, and the answer after."""
