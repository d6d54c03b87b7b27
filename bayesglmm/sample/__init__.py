"""From a `Model` to draws: NUTS (`sampling`), its diagnostics (`diagnostics`), sampling again (`mending`)."""
