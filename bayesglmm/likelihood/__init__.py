"""Maximum likelihood: the marginal likelihood of a model as a function of its parameters, and its maximum.

`data` holds the numbers of a model, `coordinates` the vector in which the search moves, `rows` the rows' log
likelihood with its derivatives; `group_integrals` integrates groups by adaptive Gauss-Hermite quadrature; `objective`
puts them together and `maximise` searches. Priors are not read.
"""
