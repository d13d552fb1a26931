# What can one do here? `make run` starts everything on this machine; nothing else needs to be set up before.

SETUP = infra/local/setup.sh
PYTHON = .venv/bin/python

.PHONY: run token bench bench-quick bench-cold bench-corpus bench-hostile bench-limits bench-policies bench-stampede bench-tokenizing
.PHONY: bench-overspend bench-scale bench-server bench-growth bench-cost
.PHONY: check test test-peers test-sam-local lock

run: # the router on HOST:PORT, its tables and a real model: no AWS, no key
	@$(SETUP) run && exec $(PYTHON) -m infra.local

token: # a bearer token for what `make run` started
	@$(SETUP) run && .venv/bin/embedge keys init >/dev/null && exec .venv/bin/embedge token mint

bench: # what `sam build` makes, under Lambda's runtime client, beside a naive one; ARGS="--only '100 misses'"
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.function.bench $(ARGS)

bench-quick: # that in under a minute
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.function.bench --quick

bench-corpus: # real passages, twice, through openai-python and what `make run` started; ARGS="--inputs 500"
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.corpus $(ARGS)

bench-tokenizing: # how long the worst texts take to count, by their size
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.tokenizing

bench-hostile: # bodies that are refused: how long each kind takes, and whether that grows with its size alone
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.hostile

bench-policies: # what each policy of the cache costs on three real corpora; ARGS="--seed 1 --inputs 20000"
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.policies $(ARGS)

bench-limits: # the largest requests: memory and time
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.limits

.PHONY: bench-mutated
bench-mutated: # 100,000 garbled replies of DynamoDB, read by the lean client as by aiobotocore's; ARGS="--seed 1"
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.mutated_replies $(ARGS)

bench-cold: # the same under Lambda's runtime emulator: init, first and warm request, memory; ARGS="--rounds 9"
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.function.cold $(ARGS)

bench-stampede: # many requests for one new text at once: how often the model is called
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.stampede

bench-growth: # how time and memory grow by inputs, dimensions, routes and tenants; draws docs/growth/; ARGS="--only routes"
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.growth.bench $(ARGS)

bench-scale: # 100,000 requests a second of one tenant over three Regions, simulated; draws docs/scale/; ARGS=--quick
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.scale.bench $(ARGS)

bench-cost: # dollars for a million requests of six kinds, from what `make bench` measured; ARGS="--memory 512"
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.cost $(ARGS)

bench-server: # the local server under load, hits and misses, 1, 32 and 256 at once; ARGS="--leak 200000" looks for a leak
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.server.bench $(ARGS)

test-sam-local: # `sam local start-api`, and a deployed stack, in real containers; red where no container engine can be had
	@$(SETUP) test && sh tests/tools/setup.sh sam ministack runtime && \
	EMBEDGE_REQUIRE_CONTAINERS=1 exec $(PYTHON) -m pytest --quiet tests/containers

bench-overspend: # budgets and rates while processes die and freeze, and replies are lost; ARGS=--quick
	@$(SETUP) test && exec $(PYTHON) -m benchmarks.overspend $(ARGS)

check: # what a change must pass: format, lint, types, architecture, dead code, the quick tests
	@$(SETUP) test && exec $(PYTHON) -m tests.run check

test: # everything
	@$(SETUP) test && exec $(PYTHON) -m tests.run test

test-peers: # a server of other people's and ours behind one route, either failing under load; brings torch, 1 to 4 GB
	@$(SETUP) test && sh tests/tools/setup.sh infinity && exec $(PYTHON) -m pytest --quiet --capture=no tests/peers

lock: # every lock, keeping what still fits; LOCK_ARGS=--upgrade takes the newest
	@$(SETUP) test && exec infra/local/lock.sh $(LOCK_ARGS)
