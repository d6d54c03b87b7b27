# One fit in R, printed as a line of JSON:
#   Rscript peers.R <lme4|rstanarm> <data.csv> <formula> <family> <draws> <tune> <chains> <seed>
# lme4 is maximum likelihood by the Laplace approximation: a time, no posterior. rstanarm has its default priors.

given <- commandArgs(trailingOnly = TRUE)
engine <- given[1]
data <- read.csv(given[2])
formula <- as.formula(given[3])
family <- switch(given[4], bernoulli = binomial(), poisson = poisson())
numbers <- as.numeric(given[5:8])

seconds <- function(expression) unname(system.time(expression)["elapsed"])

if (engine == "lme4") {
  suppressPackageStartupMessages(library(lme4))
  fit <- function() suppressMessages(suppressWarnings(glmer(formula, data, family)))
  first <- seconds(fit())
  again <- seconds(fit())
  cat(sprintf('{"again": [%.6f], "version": "%s"}\n', again, packageVersion("lme4")))
} else {
  suppressPackageStartupMessages(library(rstanarm))
  options(mc.cores = parallel::detectCores())
  result <- NULL
  again <- seconds(
    result <- stan_glmer(formula, data, family,
      chains = numbers[3], iter = numbers[1] + numbers[2], warmup = numbers[2], seed = numbers[4], refresh = 0
    )
  )
  # beta and the covariance of the random effects, without the effects themselves: b[...]
  summary <- rstan::summary(result$stanfit)$summary
  kept <- summary[!grepl("^b\\[|^mean_PPD|^log-posterior", rownames(summary)), , drop = FALSE]
  cat(sprintf(
    '{"again": [%.6f], "ess": [%.3f], "rhat": [%.5f], "version": "%s"}\n',
    again, min(kept[, "n_eff"]), max(kept[, "Rhat"]), packageVersion("rstanarm")
  ))
}
