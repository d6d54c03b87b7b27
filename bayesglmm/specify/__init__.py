"""What the user writes becomes a `Model`: `formula/` and data make a `design/`, a family of `families/` and `priors/`.

`model` checks the four together, `describe` writes the model down, `bambi_model` reads one of Bambi's.
"""
