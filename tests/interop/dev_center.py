"""Microsoft's Python client of the Dev Center (azure-developer-devcenter), unmodified, against the tests' Dev Center.

Started by `cargo xtask interop`, which sets DEV_CENTER_URL (http on loopback). It judges the fake that our own client is
tested against, with somebody else's code: each check is a sentence about it, and the first one that does not hold ends the
run. The checks build on each other, in order. The fake judges the requests in turn, and ends badly if it objects to one.
"""

import datetime
import os
import sys
import time
import traceback

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.developer.devcenter import DevCenterClient

URL = os.environ["DEV_CENTER_URL"]
PROJECT = "agents"
POOL = "shraga-worker-pool"
BOX = (PROJECT, "me", "shraga-me-1")
# A token over http, which the client refuses unless it is told that loopback is fine; and no waiting between looks.
PLAIN = {"enforce_https": False}
AT_ONCE = {"enforce_https": False, "polling_interval": 0}
CHECKS = []


class Token:
    """A credential that always has the same token."""

    def get_token(self, *_scopes, **_options):
        return AccessToken("a-token", int(time.time()) + 3600)


def check(test):
    CHECKS.append(test)
    return test


def equal(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def fails(status, call):
    try:
        call()
    except HttpResponseError as error:
        equal(error.status_code, status)
        assert error.error and error.error.code and error.error.message, "the error has code and message"
        return
    raise AssertionError(f"expected status {status}, and it went well")


@check
def projects_and_pools_are_listed(client):
    equal([it.name for it in client.list_projects(**PLAIN)], [PROJECT])
    equal(client.get_project(PROJECT, **PLAIN).max_dev_boxes_per_user, 3)
    equal([it.name for it in client.list_pools(PROJECT, **PLAIN)], [POOL])
    equal(client.get_pool(PROJECT, POOL, **PLAIN).health_status, "Unknown")


@check
def what_is_not_there_is_not_found(client):
    fails(404, lambda: client.get_project("nothing", **PLAIN))
    fails(404, lambda: client.get_dev_box(*BOX, **PLAIN))
    fails(404, lambda: client.begin_create_dev_box(*BOX, {"poolName": "nothing"}, **AT_ONCE))


@check
def a_box_is_created_and_waited_for(client):
    poller = client.begin_create_dev_box(*BOX, {"poolName": POOL}, **AT_ONCE)
    box = poller.result()
    equal(poller.status(), "Succeeded")
    equal((box.name, box.pool_name, box.provisioning_state, box.power_state), (BOX[2], POOL, "Succeeded", "Running"))
    assert isinstance(box.created_time, datetime.datetime), box.created_time


@check
def boxes_are_listed_for_all_for_one_and_in_a_project(client):
    for boxes in (
        client.list_all_dev_boxes(**PLAIN),
        client.list_all_dev_boxes_by_user("me", **PLAIN),
        client.list_dev_boxes(PROJECT, "me", **PLAIN),
    ):
        equal([it.name for it in boxes], [BOX[2]])


@check
def a_box_sleeps_wakes_and_starts_anew(client):
    equal(client.begin_stop_dev_box(*BOX, hibernate=True, **AT_ONCE).result().status, "Succeeded")
    equal(client.get_dev_box(*BOX, **PLAIN).power_state, "Hibernated")
    fails(409, lambda: client.begin_stop_dev_box(*BOX, **AT_ONCE))
    equal(client.begin_start_dev_box(*BOX, **AT_ONCE).result().status, "Succeeded")
    equal(client.begin_restart_dev_box(*BOX, **AT_ONCE).result().status, "Succeeded")
    equal(client.get_dev_box(*BOX, **PLAIN).power_state, "Running")


@check
def a_person_gets_onto_it(client):
    assert client.get_remote_connection(*BOX, **PLAIN).web_url.startswith("https://")


@check
def what_is_scheduled_is_put_off(client):
    names = [it.name for it in client.list_dev_box_actions(*BOX, **PLAIN)]
    equal(names, ["schedule-default"])
    until = datetime.datetime(2031, 1, 1, tzinfo=datetime.timezone.utc)
    equal(client.delay_dev_box_action(*BOX, names[0], delay_until=until, **PLAIN).name, names[0])
    results = client.delay_all_dev_box_actions(*BOX, delay_until=until, **PLAIN)
    equal([it.result for it in results], ["Succeeded"])


@check
def a_box_is_deleted_and_gone(client):
    equal(client.begin_delete_dev_box(*BOX, **AT_ONCE).result().status, "Succeeded")
    try:
        client.get_dev_box(*BOX, **PLAIN)
    except ResourceNotFoundError:
        return
    raise AssertionError("the box is still there")


def main():
    with DevCenterClient(URL, Token(), api_version="2025-02-01") as client:
        for test in CHECKS:
            sentence = test.__name__.replace("_", " ")
            try:
                test(client)
            except Exception:
                traceback.print_exc()
                print(f"dev center: FAILED: {sentence}")
                return 1
            print(f"dev center: ok: {sentence}")
    print(f"dev center: {len(CHECKS)} of {len(CHECKS)} checks hold")
    return 0


if __name__ == "__main__":
    sys.exit(main())
