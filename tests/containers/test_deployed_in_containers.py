"""Does the deployed whole work where its functions have nothing but what is shipped, each in its own container?

tests/e2e asks for more of it, but there the functions share an interpreter, in which any package may be found.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import openai
import pytest

from infra.local.minilm import MiniLM
from infra.local.model_files import weights
from infra.local.routes import embedded_model
from tests.containers.engine import container_engine, need_engine
from tests.containers.image import make
from tests.e2e.deploy import STACK, build, deploy
from tests.e2e.deployed import EMBEDGE, MODEL, Deployed, operate
from tests.e2e.ministack import ALL_OPTIONS, MINISTACK, ministack
from tests.e2e.passages import embedded_twice, passages
from tests.e2e.sagemaker import sagemaker
from tests.e2e.tools import need, run
from tests.guard.events import alarm_event
from tests.upstream import openai_upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.containers.engine import Engine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("containers")]

SPENDER = f"{STACK}/tenant/spender/block/month-100"
# Which image it looks for, and would pull.
_IMAGE = "from ministack.services import lambda_svc; print(lambda_svc._docker_image_for_runtime('python3.13'))"


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployed, Engine]]:
    need("deployed in containers", "python3.13", "sam", "ministack", "runtime")
    need_engine("deployed in containers")
    folder = tmp_path_factory.mktemp("contained")
    built = build(folder / "built")
    with (
        container_engine() as engine,
        sagemaker(host=engine.gateway) as model,
        openai_upstream() as upstream,
        ministack(*ALL_OPTIONS, iam="enforced", host=engine.gateway, engine=engine.url) as aws,
    ):
        engine.docker("tag", make(engine), run(MINISTACK.with_name("python"), "-c", _IMAGE).strip())
        parameters = {
            "SageMakerRuntimeUrl": model,
            "SageMakerEndpointNames": "all-MiniLM-L6-v2",
            "Alarms": "true",
        }
        deployment = deploy(built, aws, parameters)
        token = operate(aws, folder, embedded_model(None))
        yield Deployed(aws, deployment.url, token, upstream, built, parameters), engine
        print(aws.log.read_text(errors="replace")[-20_000:])  # noqa: T201 (shown where a test has failed)


@pytest.fixture
def deployed(contained: tuple[Deployed, Engine]) -> Deployed:
    return contained[0]


def test_real_passages_get_their_vectors_and_the_second_time_are_hits_that_cost_nothing(
    contained: tuple[Deployed, Engine],
) -> None:
    deployed, engine = contained
    chosen = passages(64, MiniLM.load(weights()))
    with deployed.client() as client:
        embedded_twice(client, MODEL, (*chosen, *chosen[:6]))
    assert _functions_in(engine) >= {f"{STACK}-api"}


def test_openai_python_gets_its_errors(deployed: Deployed) -> None:
    with deployed.client("nobody's") as stranger, pytest.raises(openai.AuthenticationError) as refused:
        stranger.embeddings.create(model=MODEL, input="x")
    assert refused.value.code == "invalid_api_key"
    with deployed.client() as client, pytest.raises(openai.NotFoundError) as unknown:
        client.embeddings.create(model="no-such-model", input="x")
    assert unknown.value.code == "model_not_found"


def test_guard_blocks_whom_an_alarm_is_about(contained: tuple[Deployed, Engine]) -> None:
    deployed, engine = contained
    own = deployed.aws.environment
    run(*EMBEDGE, "tenant", "put", "spender", "--budget", "month=50", "--alarm", environment=own)
    deployed.invoke("guard", json.dumps(alarm_event(SPENDER, "ALARM", time.time())))
    assert f"blocked by guard#{SPENDER}" in run(*EMBEDGE, "tenant", "show", "spender", environment=own)
    assert _functions_in(engine) >= {f"{STACK}-guard"}


def test_reconcile_runs(contained: tuple[Deployed, Engine]) -> None:
    deployed, engine = contained
    deployed.invoke("reconcile", "{}")
    assert _functions_in(engine) >= {f"{STACK}-reconcile"}


def _functions_in(engine: Engine) -> set[str]:
    """Return which functions have a container: each is told its name."""
    containers = engine.docker("ps", "--quiet").split()
    variables = "".join(engine.docker("inspect", "--format", "{{json .Config.Env}}\n", one) for one in containers)
    prefix = "AWS_LAMBDA_FUNCTION_NAME="
    told = [variable for line in variables.split("\n") if line for variable in json.loads(line)]
    return {variable.removeprefix(prefix) for variable in told if variable.startswith(prefix)}
