"""From a `Model` to draws: NUTS (`sampling`), what its diagnostics say (`diagnostics`), a second try (`mending`)."""
