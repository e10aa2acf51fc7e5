"""The price feed with `parallel=`, out of the environment of the pod that reads it."""

import os
from dataclasses import replace

from benchmarks.bench_feeds import price

PRICE = replace(price.PRICE, parallel=int(os.environ["BENCH_PARALLEL"]))
