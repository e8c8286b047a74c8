"""The checks of `linkauth doctor` that look at linkauth as phones and Amazon do: at its public URL, through the proxy.

`checks.outward_checks` runs them. `probes` asks the network, and the other modules turn what it saw into findings
without any input or output. A request contains no secret and no token, so that the answer of a wrong server, whose
certificate is not valid, can be examined too.
"""
