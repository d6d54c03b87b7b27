"""From a `Model` to draws: NUTS (`sampling`), its diagnostics (`diagnostics`), sampling again (`mending`).

Which modules may import PyMC, nutpie and NumPyro is listed in `tests/test_imports.py`.
"""
