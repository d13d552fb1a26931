"""What can an operator do with the cache? `cache simulate, purge`."""

import click

from embedge.cli.cache_purging import cache_purge
from embedge.cli.cache_simulating import cache_simulate


@click.group()
def cache() -> None:
    """Handle the vectors that are kept."""


cache.add_command(cache_simulate)
cache.add_command(cache_purge)
