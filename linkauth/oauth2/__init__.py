"""The protocol core: OAuth 2.0 (RFC 6749) without any framework, storage or I/O.

Values in, values out: `authorization` reads an authorization request, `grants` answers it, `tokens` makes tokens and
says what a store must do, `clients` knows who may ask, `endpoints` puts them together, `errors` is what can go wrong.
"""
