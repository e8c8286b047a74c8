"""Tools for theme authors: `linkauth theme preview`, `linkauth theme check` and `linkauth catalogs`.

`theme check` needs the extra `theming`. A running server imports nothing of this package.
"""
