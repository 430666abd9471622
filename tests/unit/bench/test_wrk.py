"""What the load generator says, and what makes a run useless."""

import dataclasses

import pytest
from bench.api import wrk
from bench.api.wrk import Request, Result
from bench.errors import Failed

OUTPUT = """Running 1s test @ http://127.0.0.1:1
  1 threads and 64 connections
  4000 requests in 1.00s, 1.00MB read
Requests/sec:   4000.00
bench-result {"microseconds":1000000,"answers":4000,"statuses":{"404":17,"200":3983},"first_status":404,\
"first_body":"7b227469746c65223a224e6f7420466f756e64227d","sockets":{"connect":0,"read":1,"write":0,"timeout":2},\
"p99_microseconds":9500}
"""
GOOD = Result(1_000_000, 4000, {200: 4000}, 0, "", {"connect": 0, "read": 0, "write": 0, "timeout": 0}, 9500)


def test_the_result_is_read_from_the_output() -> None:
    assert wrk.parse(OUTPUT) == Result(
        microseconds=1_000_000,
        answers=4000,
        statuses={404: 17, 200: 3983},
        first_status=404,
        first_body='{"title":"Not Found"}',
        sockets={"connect": 0, "read": 1, "write": 0, "timeout": 2},
        p99_microseconds=9500,
    )


def test_output_without_a_result_is_a_failure_that_shows_it() -> None:
    with pytest.raises(Failed, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_a_run_with_nothing_but_the_expected_status_has_no_fault() -> None:
    assert wrk.fault(GOOD, expects=200) is None


@pytest.mark.parametrize("status", [201, 202, 304, 404, 409, 500, 503])
def test_one_answer_of_another_status_is_a_fault(status: int) -> None:
    result = dataclasses.replace(GOOD, statuses={200: 3999, status: 1}, first_status=status, first_body="why")
    fault = wrk.fault(result, expects=200)
    assert fault is not None
    assert f"{status} x 1" in fault
    assert f"the first unexpected answer: {status} why" in fault


@pytest.mark.parametrize("expects", [202, 304, 404, 409])
def test_a_case_may_expect_any_status_and_then_200_is_a_fault(expects: int) -> None:
    assert wrk.fault(dataclasses.replace(GOOD, statuses={expects: 4000}), expects=expects) is None
    assert "200 x 4,000" in (wrk.fault(GOOD, expects=expects) or "")


@pytest.mark.parametrize("kind", ["connect", "read", "write", "timeout"])
def test_one_socket_error_or_time_out_is_a_fault(kind: str) -> None:
    fault = wrk.fault(dataclasses.replace(GOOD, sockets={**GOOD.sockets, kind: 1}), expects=200)
    assert f"{kind} 1" in (fault or "")


def test_no_answer_at_all_is_a_fault() -> None:
    assert wrk.fault(dataclasses.replace(GOOD, answers=0, statuses={}), expects=200) == "no request was answered"


def test_answers_that_the_script_did_not_see_are_a_fault() -> None:
    assert "its script 4000" in (wrk.fault(dataclasses.replace(GOOD, answers=4001), expects=200) or "")


def test_a_script_has_any_number_of_requests() -> None:
    requests = [Request("GET", f"/v1/x/{number}") for number in range(2500)]
    script = wrk.script(requests, expects=200, run="5f3a")
    assert [f"path=[==[/v1/x/{number}]==]" in script for number in (0, 999, 1000, 2499)] == [True] * 4
    assert script.count("method=") == 2500


def test_the_script_has_the_requests_the_status_and_the_beginning_of_the_keys() -> None:
    request = Request("POST", "/v1/orders", {"Idempotency-Key": wrk.KEY}, '{"a":"]]"}')
    script = wrk.script([request, Request("GET", "/v1/x")], expects=202, run="5f3a")
    assert "EXPECTED, BODY_BYTES, RUN = 202, 2000, [==[5f3a]==]" in script
    assert 'headers={[ [==[Idempotency-Key]==] ] = [==[@@KEY@@]==]}, body=[==[{"a":"]]"}]==]' in script
    assert "method=[==[GET]==], path=[==[/v1/x]==], headers={}, body=nil" in script
