# Writes reference_r.csv from reference.csv: what R says about the same rows.
# Run once with Debian's r-cran-estimatr 1.0.0, r-cran-clubsandwich 0.5.8 and r-cran-survival 3.5:
#   Rscript reference.R
suppressMessages({library(estimatr); library(clubSandwich); library(survival)})
d <- read.csv("reference.csv")
out <- data.frame(name = character(), estimate = numeric(), se = numeric(), df = numeric())
add <- function(name, estimate, se, df = NA) {
  out[nrow(out) + 1, ] <<- list(name, unname(estimate), unname(se), unname(df))
}
from <- function(name, m, term = "z") {
  i <- which(m$term == term)
  add(name, m$coefficients[i], m$std.error[i], m$df[i])
}

# Individuals.
from("welch", difference_in_means(y ~ z, d))
for (kind in c("HC0", "HC1", "HC2", "HC3", "classical"))
  from(kind, lm_robust(y ~ z + x1, d, se_type = kind))
from("lin_hc2", lm_lin(y ~ z, ~ x1 + x2, d, se_type = "HC2"))
from("lin_hc3", lm_lin(y ~ z, ~ x1 + x2, d, se_type = "HC3"))
from("blocks_hc2", lm_robust(y ~ z + factor(block), d, se_type = "HC2"))

# Post-stratified: saturated regression with strata centred at their shares.
from("poststratified_hc2", lm_lin(y ~ z, ~ factor(block), d, se_type = "HC2"))

# Bell-McCaffrey degrees of freedom of HC2: CR2 with every unit its own cluster.
bm <- function(name, f, data, cluster, term = "z") {
  fit <- lm(f, data)
  t <- coef_test(fit, vcovCR(fit, cluster = cluster, type = "CR2"), test = "Satterthwaite")
  i <- which(rownames(t) == term)
  add(name, t$beta[i], t$SE[i], if ("df_Satt" %in% names(t)) t$df_Satt[i] else t$df[i])
}
d$x1c <- d$x1 - mean(d$x1); d$x2c <- d$x2 - mean(d$x2)
ids <- seq_len(nrow(d))
bm("ancova_bm", y ~ z + x1, d, ids)
bm("lin_bm", y ~ z * (x1c + x2c), d, ids)
bm("blocks_bm", y ~ z + factor(block), d, ids)

# Clusters: g was randomised as a whole (zg is its arm), within strata h.
bm("cr2", y ~ zg, d, d$g, "zg")
bm("cr2_blocks", y ~ zg + factor(h), d, d$g, "zg")
bm("cr2_lin", y ~ zg * (x1c + x2c), d, d$g, "zg")
bm("cr2_spanning", y ~ z, d, d$g)
for (kind in c("CR0", "CR1S", "CR3")) {
  fit <- lm(y ~ zg, d)
  add(tolower(kind), coef(fit)["zg"], sqrt(vcovCR(fit, cluster = d$g, type = kind)["zg", "zg"]))
}
from("estimatr_cr2", lm_robust(y ~ zg, d, clusters = g, se_type = "CR2"), "zg")

# Compliers: t is what was taken up, z what was offered.
from("iv_hc0", iv_robust(y ~ t | z, d, se_type = "HC0"), "t")
from("iv_blocks_hc0", iv_robust(y ~ t + factor(block) | z + factor(block), d, se_type = "HC0"), "t")

# Log-rank stratified by block: chi-squared in "estimate", df 1.
s <- survdiff(Surv(time, event) ~ z + strata(block), d)
add("logrank_strata", s$chisq, NA, 1)
s <- summary(survfit(Surv(time, event) ~ 1, subset(d, z == 1), conf.type = "log-log"), times = 5)
add("km_at_5", s$surv, s$std.err)
add("km_at_5_limits", s$lower, s$upper)
write.csv(out, "reference_r.csv", row.names = FALSE)
