"""The feed of `benchmarks.parallel`: the price feed, read by as many runs at once as BENCH_PARALLEL says."""
