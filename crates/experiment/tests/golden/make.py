#!/usr/bin/env python3
"""Computes golden.json with other people's code: NumPy, SciPy and confseq.

    python3 -m venv VENV && VENV/bin/pip install numpy scipy confseq   (confseq 0.0.11 is built with Boost.Math)
    VENV/bin/python make.py > golden.json

The formulas are those of docs/experiment.md, written a second time from there, vectorised.
"""
import json
import math

import numpy as np
from confseq.boundaries import normal_mixture_bound
from scipy import stats

ALPHA = 0.05
rng = np.random.default_rng(20_261_130)


def multiplier(x):
    """confseq's two-sided Gaussian mixture in standard errors, its narrowest point moved to ours."""
    tuning = -2 * math.log(ALPHA) + math.log(-2 * math.log(ALPHA)) + 1
    rho = 1 / tuning  # in units of the planned variance
    theirs = 2 * math.log(1 / ALPHA) + math.log(1 + 2 * math.log(1 / ALPHA))
    return normal_mixture_bound(x, ALPHA, rho * theirs, ALPHA, False) / math.sqrt(x)


def arm(y, d, constant=0.0):
    ratio = y.sum() / d.sum()
    whole = ratio + constant
    e = (y - ratio * d) / (1 - d / d.sum()) / d.sum() / whole
    return whole, e


def effective(w):
    return w.sum() ** 2 / (w**2).sum()


def contrast(t, h, nt, nh, dt, dh, classes=None):
    """log ratio, error and t quantile of (ratio, residuals) of both arms."""
    (rt, et), (rh, eh) = t, h
    q = dh.sum() / (dt.sum() + dh.sum())
    vt, vh = (et**2).sum(), (eh**2).sum()
    left, seen = et.copy(), 0.0
    if classes is not None:
        ct, ch = classes
        for c in np.unique(ct):
            at, ah = ct == c, ch == c
            if at.sum() >= 10:
                slope = (et[at] * dt[at]).sum() / (dt[at] ** 2).sum()
                left[at] = et[at] - slope * dt[at]
                seen += (eh[ah] * slope * dh[ah]).sum() * (1 - q)
    cov = max(seen, 0) + math.sqrt(q * (1 - q) * (left**2).sum() * vh)
    a, b = q * vt, (1 - q) * vh
    df = (a + b) ** 2 / (a**2 / (nt - 1) + b**2 / (nh - 1))
    return math.log(rt / rh), math.sqrt(a + b + 2 * cov), stats.t.ppf(1 - ALPHA / 2, max(df, 1))


def share(log, error, times):
    return {"value": -math.expm1(log), "low": -math.expm1(log + times * error), "high": -math.expm1(log - times * error)}


def octaves(n):
    return np.floor(np.log2(n)).astype(int) + 1


def crossover():
    n, held = 420, 60
    visits = rng.geometric(0.08, n)
    length = np.round(np.exp(rng.normal(17, 1.0, n)))
    d = visits * length
    before = np.clip(rng.normal(0.8, 0.1, n), 0, 1)
    fraction = np.clip(before + rng.normal(0, 0.05, n), 0.05, 1)
    is_held = np.arange(n) < held
    y = np.round(d * fraction * np.where(is_held, 1, 0.3 + 0.5 / np.sqrt(visits)))
    o = np.where(is_held, 0, 400.0 * visits)
    site = 5e9
    assigned = {"http": 70, "p2p": 630}
    t, h = ~is_held, is_held
    yt = (y + o)[t]
    constant = site / (0.9 * d.sum())
    parts = (visits[t], visits[h])
    nt, nh = effective(d[t] ** 1.5), effective(d[h] ** 1.5)
    both = lambda yt, dt, yh, dh: contrast(
        arm(yt, dt, constant), arm(yh, dh), effective(dt**1.5), effective(dh**1.5), dt, dh, tuple(map(octaves, parts)))
    log, error, quantile = both(yt, d[t], y[h], d[h])
    x = 10 / 40  # days of planned days
    anytime = multiplier(x) * quantile / stats.norm.ppf(1 - ALPHA / 2)

    # CUPED on relative linearised values; one slope for both arms.
    mean = lambda k: (before[k] * d[k]).sum() / d[k].sum()
    lin = lambda k: (before[k] - mean(k)) * d[k] / d[k].mean()
    residual = lambda yk, k, r: (yk - yk.sum() / d[k].sum() * d[k]) / r / d[k].mean()
    rt, rh = arm(yt, d[t], constant)[0], arm(y[h], d[h])[0]
    ft, fh = residual(yt, t, rt), residual(y[h], h, rh)
    slope = ((ft * lin(t)).sum() + (fh * lin(h)).sum()) / ((lin(t) ** 2).sum() + (lin(h) ** 2).sum())
    less = lambda f, k: (f - slope * lin(k)) / (1 - d[k] / d[k].sum()) / k.sum()
    adjusted = contrast((rt * math.exp(-slope * mean(t)), less(ft, t)), (rh * math.exp(-slope * mean(h)), less(fh, h)),
                        nt, nh, d[t], d[h], tuple(map(octaves, parts)))

    # The mean an assigned unit, zeros included.
    def flat(yk, count, extra=0.0):
        full = np.concatenate([yk, np.zeros(count - len(yk))])
        ratio = full.mean() + extra / count
        return ratio, (full - full.mean()) / math.sqrt(count * (count - 1)) / ratio
    ones = lambda count: np.ones(count)
    unadjusted = contrast(flat(yt, 630, constant * d[t].sum()), flat(y[h], 70), effective(yt), effective(y[h]), ones(630), ones(70))

    def cut(yk, dk):
        limit = np.sort(dk)[::-1][math.ceil(len(dk) / 1000)]
        f = np.minimum(1, limit / dk)
        return yk * f, dk * f
    (ytc, dtc), (yhc, dhc) = cut(yt, d[t]), cut(y[h], d[h])
    winsorised = both(ytc, dtc, yhc, dhc)

    active = stats.chisquare([60, 360], [42, 378]).pvalue
    drawn = stats.chisquare([70, 630], [70, 630]).pvalue
    z = (d[h].sum() - 0.1 * d.sum()) / math.sqrt(0.09 * (d**2).sum())
    return {
        "units": [dict(held=bool(a), visits=int(v), demand=int(b), origin=int(c), overhead=int(e), before=float(f))
                  for a, v, b, c, e, f in zip(is_held, visits, d, y, o, before)],
        "assigned": assigned, "site": int(site), "days": 10, "planned": 40,
        "shared": share(log, error, anytime), "fixed": share(log, error, quantile), "anytime": share(log, error, anytime),
        "adjusted": share(adjusted[0], adjusted[1], multiplier(x) * adjusted[2] / stats.norm.ppf(0.975)),
        "unadjusted": share(unadjusted[0], unadjusted[1], multiplier(x) * unadjusted[2] / stats.norm.ppf(0.975)),
        "winsorised": share(winsorised[0], winsorised[1], multiplier(x) * winsorised[2] / stats.norm.ppf(0.975)),
        "units_p": min(1.0, 2 * min(active, drawn)), "demand_p": 2 * stats.norm.sf(abs(z)),
    }


def quantile():
    """Clustered inversion of a quantile, on times in the histogram's bins."""
    clusters = [rng.lognormal(6 + rng.normal(0, 0.2), 0.6, 60) for _ in range(40)]
    bins = np.array([np.histogram(np.clip(np.log2(c) * 4, 0, 63.999), np.arange(65))[0] for c in clusters])
    pooled, p = bins.sum(0), 0.95
    edges, below = np.arange(65), np.concatenate([[0], pooled.cumsum()])
    at = lambda p: np.interp(p * pooled.sum(), below, edges)
    value = at(p)
    above = (np.clip(np.arange(1, 65) - value, 0, 1) * bins).sum(1)
    e = above - (1 - p) * bins.sum(1)
    error = math.sqrt(40 / 39 * (e**2).sum()) / pooled.sum()
    half = stats.t.ppf(0.975, 39) * error
    return {"clusters": bins.tolist(), "milliseconds": [2 ** (v / 4) for v in (value, at(p - half), at(p + half))]}


print(json.dumps({
    "t": [[df, stats.t.ppf(0.975, df)] for df in (1, 1.5, 2.5, 7, 11.3, 40, 1000)],
    "normal_p": [[z, 2 * stats.norm.sf(z)] for z in (0, 0.5, 1.96, 3.5, 6)],
    "chi_square_p": [[x, df, stats.chi2.sf(x, df)] for x, df in ((0.1, 1), (3.84, 1), (12.2, 1), (5.0, 2), (30, 2))],
    "multiplier": [[x, multiplier(x)] for x in (0.01, 0.2, 0.5, 1, 3)],
    "crossover": crossover(),
    "quantile": quantile(),
}, separators=(",", ":")))
