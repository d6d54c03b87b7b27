"""What rests on the prior and what on the data: before the fit, after it, and where the data have no maximum."""
