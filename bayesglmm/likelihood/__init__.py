"""Maximum likelihood: the marginal likelihood of a model as a function of its parameters, and its maximum.

`maximise` finds it, `profile` holds an entry. `data` has the numbers of a model, `coordinates` the vector θ in which
the search moves, `rows` the log likelihood of rows with its derivatives. `group_integrals` integrates groups by
adaptive Gauss-Hermite quadrature (`modes`, `point_sums`, `hermite`), `joint_integral` all effects at once by Laplace's
approximation (`sparse_factor`); `objective` is the log likelihood of θ by either, `search` its maximum from `start`,
`nodes` how many points it takes, `findings` what limits it. `pql` is no likelihood: it fits `working_rows`. Priors are
not read.
"""
