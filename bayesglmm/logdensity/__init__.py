"""A `Model` as a function of its parameters: as a PyMC graph (`pymc_graph`) and compiled (`compile` and the rest)."""
