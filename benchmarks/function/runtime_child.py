# pyright: basic, reportMissingImports=false
"""What does one execution environment take? Lambda's own runtime client, which also keeps count.

`python runtime_child.py HANDLER FILE`: whenever it waits for the next event it adds a line to the file, the nanoseconds
of processor time that it has had and its largest size in kilobytes. So the first line is what initialising took.
"""

import os
import sys
import time

from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_client import LambdaRuntimeClient


class _Counting(LambdaRuntimeClient):
    def wait_next_invocation(self):  # noqa: ANN202 (the client's own)
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 (pathlib would be ours to pay for)
            largest_kb = next(line.split()[1] for line in status if line.startswith("VmHWM"))
        with open(sys.argv[2], "a", encoding="ascii") as file:  # noqa: PTH123 (as above)
            file.write(f"{time.process_time_ns()} {largest_kb}\n")
        return super().wait_next_invocation()


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, which is not there on Lambda
    bootstrap.run(sys.argv[1], _Counting(os.environ["AWS_LAMBDA_RUNTIME_API"], False))
