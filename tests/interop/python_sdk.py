"""Microsoft's Python SDK (PowerPlatform-Dataverse-Client), unmodified, against the embedded store.

Started by `cargo xtask interop`, which sets SHRAGA_URL (https), SHRAGA_ADMIN_TOKEN,
SHRAGA_USER_TOKEN and REQUESTS_CA_BUNDLE. Each check is a sentence about the store; the first one
that does not hold ends the run. The checks build on each other, in order.
"""

import os
import re
import sys
import time
import traceback
from enum import IntEnum

from azure.core.credentials import AccessToken
from PowerPlatform.Dataverse import col
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError, MetadataError
from PowerPlatform.Dataverse.models import UpsertItem

URL = os.environ["SHRAGA_URL"]
GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.I)
ABSENT = "00000000-0000-4000-8000-000000000001"
FORMATTED = "OData.Community.Display.V1.FormattedValue"
TABLE = "shr_Parcel"
CHECKS = []


class Size(IntEnum):
    """A choice column, as the SDK takes them."""

    Small = 1
    Large = 2


class Token:
    """A credential that always has the same token."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *_scopes, **_options):
        return AccessToken(self.token, int(time.time()) + 3600)


def client(variable="SHRAGA_ADMIN_TOKEN"):
    return DataverseClient(URL, Token(os.environ[variable]))


def check(test):
    CHECKS.append(test)
    return test


def equal(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def fails(status, call, code=None, says=None):
    try:
        call()
    except HttpError as error:
        equal(error.status_code, status)
        if code:
            equal((error.details.get("service_error_code") or "").lower(), code.lower())
        if says:
            assert says.lower() in str(error).lower(), f"{says!r} is not in {error}"
        return
    raise AssertionError(f"expected status {status}, and it succeeded")


@check
def a_table_is_created_with_columns_of_every_type(admin, _user):
    columns = {
        "shr_Code": "string",
        "shr_Note": "memo",
        "shr_Weight": {"type": "int", "min_value": 0, "max_value": 1000},
        "shr_Price": "decimal",
        "shr_Ratio": "float",
        "shr_Posted": "datetime",
        "shr_Fragile": "bool",
        "shr_Size": Size,
    }
    table = admin.tables.create(TABLE, columns, display_name="Parcel")
    equal(table.logical_name, "shr_parcel")
    equal(table.entity_set_name, "shr_parcels")
    equal(table.primary_id_attribute, "shr_parcelid")
    equal(table.primary_name_attribute, "shr_name")
    equal(list(table.columns_created), list(columns))


@check
def a_table_is_not_created_twice(admin, _user):
    try:
        admin.tables.create(TABLE, {"shr_Code": "string"})
    except MetadataError:
        return
    raise AssertionError("the second creation succeeded")


@check
def metadata_is_read(admin, _user):
    table = admin.tables.get(TABLE)
    equal(table.schema_name, TABLE)
    assert GUID.match(table.metadata_id), table.metadata_id
    names = {t["LogicalName"] for t in admin.tables.list(select=["LogicalName", "EntitySetName"])}
    shipped = {"cr_shraga_task", "cr_shraga_worker", "cr_shraga_event", "cr_shraga_user"}
    assert shipped | {"shr_parcel"} <= names, names
    columns = {c["LogicalName"]: c["AttributeType"] for c in admin.tables.list_columns(TABLE)}
    equal(columns["shr_code"], "String")
    equal(columns["shr_note"], "Memo")
    equal(columns["shr_weight"], "Integer")
    equal(columns["shr_price"], "Decimal")
    equal(columns["shr_ratio"], "Double")
    equal(columns["shr_posted"], "DateTime")
    equal(columns["shr_fragile"], "Boolean")
    equal(columns["shr_size"], "Picklist")
    only = admin.tables.list_columns(
        "cr_shraga_task", select=["LogicalName"], filter="LogicalName eq 'cr_status'"
    )
    equal([c["LogicalName"] for c in only], ["cr_status"])
    equal(admin.tables.get_column(TABLE, "shr_Weight")["LogicalName"], "shr_weight")
    equal(admin.tables.get("shr_Nothing"), None)


@check
def a_row_is_created_and_read_back(admin, _user):
    row = {
        "shr_Name": "First",
        "shr_Code": "P-1",
        "shr_Note": "Line one\nline two \u2014 \u05e9\u05e8\u05d2\u05d0",
        "shr_Weight": 12,
        "shr_Price": 3.25,
        "shr_Ratio": 0.125,
        "shr_Posted": "2026-11-20",
        "shr_Fragile": True,
        "shr_Size": "Large",
    }
    parcel = admin.records.create(TABLE, row)
    assert GUID.match(parcel), parcel
    read = admin.records.retrieve(TABLE, parcel, include_annotations="*")
    equal(read["shr_name"], "First")
    equal(read["shr_note"], row["shr_Note"])
    equal(read["shr_weight"], 12)
    equal(read["shr_price"], 3.25)
    equal(read["shr_ratio"], 0.125)
    assert read["shr_posted"].startswith("2026-11-20"), read["shr_posted"]
    equal(read["shr_fragile"], True)
    equal(read["shr_size"], 2)
    equal(read[f"shr_size@{FORMATTED}"], "Large")
    equal(read[f"shr_fragile@{FORMATTED}"], "True")
    assert read.etag.startswith('W/"'), read.etag
    only = admin.records.retrieve(TABLE, parcel, select=["shr_Code"])
    equal({k for k in only.data if "@" not in k}, {"shr_code", "shr_parcelid"})


@check
def a_row_is_updated_and_its_etag_moves(admin, _user):
    parcel = admin.records.create(TABLE, {"shr_Name": "Second", "shr_Weight": 1})
    before = admin.records.retrieve(TABLE, parcel)
    admin.records.update(TABLE, parcel, {"shr_Weight": 2, "shr_Code": None})
    after = admin.records.retrieve(TABLE, parcel)
    equal(after["shr_weight"], 2)
    equal(after["shr_name"], "Second")
    assert before.etag != after.etag, after.etag


@check
def an_update_of_no_row_makes_none(admin, _user):
    fails(404, lambda: admin.records.update(TABLE, ABSENT, {"shr_Weight": 2}), "0x80040217")
    equal(admin.records.retrieve(TABLE, ABSENT), None)


@check
def a_row_is_deleted(admin, _user):
    parcel = admin.records.create(TABLE, {"shr_Name": "Short-lived"})
    admin.records.delete(TABLE, parcel)
    equal(admin.records.retrieve(TABLE, parcel), None)
    fails(404, lambda: admin.records.delete(TABLE, parcel), "0x80040217")


@check
def many_rows_are_deleted_at_once(admin, _user):
    ids = admin.records.create(TABLE, [{"shr_Name": f"Gone {n}"} for n in range(3)])
    job = admin.records.delete(TABLE, ids[:2])
    assert GUID.match(job), job
    admin.records.delete(TABLE, ids[2:], use_bulk_delete=False)
    equal(len(admin.records.list(TABLE, filter="startswith(shr_name,'Gone')")), 0)


@check
def many_rows_are_created_and_paged(admin, _user):
    rows = [{"shr_Name": f"Page {n:02}", "shr_Weight": n} for n in range(25)]
    ids = admin.records.create(TABLE, rows)
    equal(len(set(ids)), 25)
    pages = list(
        admin.records.list_pages(
            TABLE,
            filter="startswith(shr_name,'page ')",
            orderby=["shr_weight desc"],
            page_size=10,
            count=True,
        )
    )
    equal([len(page) for page in pages], [10, 10, 5])
    equal([r["shr_weight"] for page in pages for r in page], list(reversed(range(25))))
    first = admin.records.list(TABLE, filter="shr_weight ge 20", orderby=["shr_weight"], top=2)
    equal([r["shr_weight"] for r in first], [20, 21])


@check
def queries_filter_by_every_operator_the_builder_has(admin, _user):
    def names(expression):
        query = admin.query.builder(TABLE).select("shr_name").where(expression)
        return sorted(r["shr_name"] for r in query.order_by("shr_name").execute())

    page = col("shr_name").startswith("Page")
    equal(names(page & (col("shr_weight") < 2)), ["Page 00", "Page 01"])
    equal(names(page & col("shr_weight").between(3, 4)), ["Page 03", "Page 04"])
    equal(names(page & col("shr_weight").in_([5, 7])), ["Page 05", "Page 07"])
    equal(len(names(page & col("shr_weight").not_in([5, 7]))), 23)
    equal(names(page & ~(col("shr_weight") > 0)), ["Page 00"])
    equal(names(col("shr_name").endswith("E 13") | (col("shr_code") == "p-1")), ["First", "Page 13"])
    equal(names(col("shr_note").is_not_null()), ["First"])
    equal(len(names(page & col("shr_code").is_null())), 25)
    equal(names(col("shr_name").contains("irs") & (col("shr_fragile") == True)), ["First"])  # noqa: E712


@check
def many_rows_are_updated_at_once(admin, _user):
    found = admin.records.list(TABLE, filter="shr_weight le 2 and startswith(shr_name,'Page')")
    ids = [r["shr_parcelid"] for r in found]
    equal(len(ids), 3)
    admin.records.update(TABLE, ids, {"shr_Code": "same"})
    equal(len(admin.records.list(TABLE, filter="shr_code eq 'SAME'")), 3)
    admin.records.update(TABLE, ids, [{"shr_Code": f"own-{n}"} for n in range(3)])
    codes = {admin.records.retrieve(TABLE, i)["shr_code"] for i in ids}
    equal(codes, {"own-0", "own-1", "own-2"})


@check
def rows_are_upserted_by_an_alternate_key(admin, _user):
    admin.tables.create_alternate_key(TABLE, "shr_parcel_code", ["shr_code"])
    keys = admin.tables.get_alternate_keys(TABLE)
    equal([(k.schema_name, k.status) for k in keys], [("shr_parcel_code", "Active")])

    def put(code, weight):
        return UpsertItem(alternate_key={"shr_code": code}, record={"shr_weight": weight})

    def weights():
        rows = admin.records.list(TABLE, filter="startswith(shr_code,'K-')", orderby=["shr_code"])
        return [(r["shr_code"], r["shr_weight"]) for r in rows]

    admin.records.upsert(TABLE, [put("K-1", 1)])
    equal(weights(), [("K-1", 1)])
    admin.records.upsert(TABLE, [put("K-1", 10)])
    equal(weights(), [("K-1", 10)])
    admin.records.upsert(TABLE, [put("K-1", 11), put("K-2", 22)])
    equal(weights(), [("K-1", 11), ("K-2", 22)])
    twice = {"shr_Name": "Twin", "shr_Code": "K-2"}
    fails(412, lambda: admin.records.create(TABLE, twice), "0x80060892")
    # What the creation returned as the key's id is the table's: the SDK takes the first one it finds.
    admin.tables.delete_alternate_key(TABLE, keys[0].metadata_id)
    equal(admin.tables.get_alternate_keys(TABLE), [])


@check
def a_batch_answers_each_operation_in_order(admin, _user):
    batch = admin.batch.new()
    batch.records.create(TABLE, {"shr_Name": "In batch", "shr_Weight": 7})
    with batch.changeset() as changes:
        made = changes.records.create(TABLE, {"shr_Name": "In change set"})
        changes.records.update(TABLE, made, {"shr_Weight": 8})
    batch.records.list(TABLE, filter="shr_name eq 'In change set'", select=["shr_weight"])
    batch.tables.get(TABLE)
    result = batch.execute()
    assert not result.has_errors, result.failed
    equal([r.status_code for r in result.responses], [204, 204, 204, 200, 200])
    equal(result.responses[3].data["value"][0]["shr_weight"], 8)
    made_id = result.responses[0].entity_id
    equal(admin.records.retrieve(TABLE, made_id)["shr_weight"], 7)


@check
def a_change_set_is_all_or_nothing_and_a_batch_may_go_on(admin, _user):
    batch = admin.batch.new()
    with batch.changeset() as changes:
        changes.records.create(TABLE, {"shr_Name": "Never there"})
        changes.records.update(TABLE, ABSENT, {"shr_Weight": 8})
    batch.records.create(TABLE, {"shr_Name": "After the failure"})
    result = batch.execute(continue_on_error=True)
    equal([r.is_success for r in result.responses], [False, True])
    equal(result.responses[0].status_code, 404)
    equal(len(admin.records.list(TABLE, filter="shr_name eq 'Never there'")), 0)
    equal(len(admin.records.list(TABLE, filter="shr_name eq 'After the failure'")), 1)


@check
def columns_are_added_changed_and_removed(admin, _user):
    equal(admin.tables.add_columns(TABLE, {"shr_Shelf": "string"}), ["shr_Shelf"])
    parcel = admin.records.create(TABLE, {"shr_Name": "Shelved", "shr_Shelf": "B4"})
    equal(admin.records.retrieve(TABLE, parcel)["shr_shelf"], "B4")
    admin.tables.update_column(TABLE, "shr_Shelf", {"max_length": 300})
    admin.records.update(TABLE, parcel, {"shr_Shelf": "x" * 300})
    fails(400, lambda: admin.records.update(TABLE, parcel, {"shr_Shelf": "x" * 301}), "0x80044331")
    admin.tables.remove_columns(TABLE, "shr_Shelf")
    fails(400, lambda: admin.records.list(TABLE, select=["shr_shelf"]))


@check
def what_is_wrong_is_refused_with_a_code_and_the_nearest_name(admin, _user):
    fails(400, lambda: admin.records.create(TABLE, {"shr_Nam": "x"}), says="shr_name")
    fails(400, lambda: admin.records.list(TABLE, filter="shr_wieght eq 1"), says="shr_weight")
    fails(400, lambda: admin.records.create(TABLE, {"shr_Name": "x" * 201}), "0x80044331")
    fails(400, lambda: admin.records.create(TABLE, {"shr_Size": 3}), "0x8004431A")
    fails(400, lambda: admin.records.create(TABLE, {"shr_Weight": "heavy"}))
    fails(400, lambda: admin.records.list(TABLE, filter="shr_weight eq"))


@check
def what_is_not_supported_is_named(admin, _user):
    fails(400, lambda: admin.query.sql("SELECT shr_name FROM shr_parcel"), says="sql")


@check
def rows_of_others_are_as_if_they_did_not_exist(admin, user):
    task = "cr_shraga_task"
    hers = user.records.create(task, {"cr_name": "Hers", "cr_prompt": "echo", "cr_status": 1})
    his = admin.records.create(task, {"cr_name": "The admin's", "cr_status": 1})
    equal(admin.records.retrieve(task, hers)["cr_name"], "Hers")
    equal(user.records.retrieve(task, his), None)
    equal([r["cr_name"] for r in user.records.list(task, select=["cr_name"])], ["Hers"])
    fails(404, lambda: user.records.update(task, his, {"cr_name": "Mine"}))
    fails(404, lambda: user.records.delete(task, his))
    equal(admin.records.retrieve(task, his)["cr_name"], "The admin's")


@check
def a_wrong_token_is_refused(_admin, _user):
    stranger = DataverseClient(URL, Token("nobody"))
    fails(401, lambda: stranger.tables.list())


@check
def a_table_is_deleted(admin, _user):
    admin.tables.delete(TABLE)
    equal(admin.tables.get(TABLE), None)


def main():
    with client() as admin, client("SHRAGA_USER_TOKEN") as user:
        for test in CHECKS:
            sentence = test.__name__.replace("_", " ")
            try:
                test(admin, user)
            except Exception:
                traceback.print_exc()
                print(f"python: FAILED: {sentence}")
                return 1
            print(f"python: ok: {sentence}")
    print(f"python: {len(CHECKS)} of {len(CHECKS)} checks hold")
    return 0


if __name__ == "__main__":
    sys.exit(main())
