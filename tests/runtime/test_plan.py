"""What a run asks of its processes."""

import subprocess
import sys

LOADED_MEANWHILE = """
import numpy, threadpoolctl
limit = threadpoolctl._ThreadpoolLimiter.__init__
def meanwhile(*arguments, **options):
    limit(*arguments, **options)
    import scipy.linalg  # brings a BLAS of its own, with a thread for each CPU
threadpoolctl._ThreadpoolLimiter.__init__ = meanwhile
from dist_bp.runtime.plan import limit_threads
limit_threads(3)
"""


def test_a_blas_that_another_thread_imports_meanwhile_is_no_reason_to_fail() -> None:
    subprocess.run([sys.executable, "-c", LOADED_MEANWHILE], check=True, timeout=60)
