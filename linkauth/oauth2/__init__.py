"""The protocol core: OAuth 2.0 (RFC 6749) without any framework, storage or I/O.

* `authorization` parses and validates an authorization request.
* `grants` issues codes and tokens; `registry` lists the grants.
* `tokens` defines the token records and the interface of the storage.
* `clients` defines the registered clients and authenticates them.
* `endpoints` combines these modules into the endpoints of an authorization server.
* `errors` defines the exceptions.
"""
