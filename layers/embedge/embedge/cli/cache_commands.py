"""What can an operator do with the cache? `cache simulate, purge, report`."""

import click

from embedge.cli.cache_purging import cache_purge
from embedge.cli.cache_reporting import cache_report
from embedge.cli.cache_simulating import cache_simulate


@click.group()
def cache() -> None:
    """Handle the vectors that are kept."""


cache.add_command(cache_simulate)
cache.add_command(cache_purge)
cache.add_command(cache_report)
