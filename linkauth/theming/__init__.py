"""The workshop of a theme's author: what `linkauth theme preview` shows and what `linkauth theme check` finds.

It wants the distributions of the extra `theming`; a server does without them.
"""
