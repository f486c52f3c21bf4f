"""The API fuzzed from its own description (Schemathesis)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from onlooker.web.app import WebSettings, create_app

schemathesis = pytest.importorskip("schemathesis", reason="Schemathesis is not installed")

pytestmark = [
    pytest.mark.slow,
    # Schemathesis drives Starlette's client, which warns about httpx (see conftest.py).
    pytest.mark.filterwarnings("ignore"),
]


def describe(filled: Any, mode: str) -> Any:
    """The description of a running application."""
    app = create_app(filled.folder, WebSettings(allowed_hosts=("testserver",)))
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app)
    known = sorted(filled.ids.values())

    def use_known_media(context: Any, path_parameters: dict[str, Any] | None) -> Any:
        # Made-up ids are nearly never there: every second one is swapped for a real one.
        if path_parameters and "public_id" in path_parameters:
            given = str(path_parameters["public_id"])
            if len(given) % 2 == 0:
                path_parameters["public_id"] = known[hash(given) % len(known)]
        return path_parameters

    if mode == "POSITIVE":
        schema.hook("map_path_parameters")(use_known_media)
    return schema


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_api_keeps_its_word(filled: Any, mode: str) -> None:
    api_schema = describe(filled, mode)
    modes = schemathesis.GenerationMode
    operations = [result.ok() for result in api_schema.get_all_operations()]
    assert len(operations) > 15
    broken: list[Exception] = []
    for operation in operations:
        strategy = operation.as_strategy(generation_mode=modes[mode])

        @given(case=strategy)
        @settings(
            max_examples=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        )
        def keeps(case: Any) -> None:
            headers = {"Origin": "http://testserver"} if case.method.upper() == "POST" else {}
            response = case.call(headers=headers)
            # The guard answers before any parameter is looked at.
            if response.status_code != 414:
                case.validate_response(response)

        try:
            keeps()
        except Unsatisfiable:  # a call without parameters can't be asked wrongly
            assert mode == "NEGATIVE"
        except Exception as error:
            broken.append(error)
    if broken:
        raise ExceptionGroup("the API breaks its word", broken)
