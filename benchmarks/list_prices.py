"""What does AWS ask? Its lists of us-east-1 in dollars, read 2026-11, without anything free."""

LAMBDA_MILLION_USD = 0.20  # https://aws.amazon.com/lambda/pricing/
LAMBDA_GB_S_USD = {"x86_64": 0.0000166667, "arm64": 0.0000133334}  # the same
GATEWAY_MILLION_USD = 3.50  # https://aws.amazon.com/api-gateway/pricing/, REST, the first 333 million
TRANSFER_GB_USD = 0.09  # https://aws.amazon.com/ec2/pricing/on-demand/, to the internet, the first 10 TB
LOGS_GB_USD = 0.50  # https://aws.amazon.com/cloudwatch/pricing/, ingested; a stored month is 0.03 more
METRIC_USD = 0.30  # the same: each a month
FARGATE_VCPU_HOUR_USD, FARGATE_GB_HOUR_USD = 0.04048, 0.004445  # https://aws.amazon.com/fargate/pricing/
BALANCER_HOUR_USD = 0.0225  # https://aws.amazon.com/elasticloadbalancing/pricing/
