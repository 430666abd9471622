"""Every check of a resource beyond its shape, and the findings they report. `rules.check` runs all of them."""
