// npm dynamics-web-api, unmodified, against the embedded store.
//
// Started by `cargo xtask interop`, which sets SHRAGA_URL (http), SHRAGA_ADMIN_TOKEN and
// SHRAGA_USER_TOKEN. Each check is a sentence about the store; the first one that does not hold
// ends the run. The checks build on each other, in order.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { DynamicsWebApi } from "dynamics-web-api";

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const ABSENT = "00000000-0000-4000-8000-000000000001";
const TASKS = "cr_shraga_tasks";
const PARCELS = "shr_parcels";
const CRM = "Microsoft.Dynamics.CRM";

function client(token, config = {}) {
  return new DynamicsWebApi({
    serverUrl: process.env.SHRAGA_URL,
    dataApi: { version: "9.2" },
    onTokenRefresh: async () => token,
    ...config,
  });
}

const admin = client(process.env.SHRAGA_ADMIN_TOKEN);
const user = client(process.env.SHRAGA_USER_TOKEN);
// Shows a refused precondition as an error instead of as `false`.
const strict = client(process.env.SHRAGA_ADMIN_TOKEN, { propagateErrors: true });

const label = (text) => ({
  "@odata.type": `${CRM}.Label`,
  LocalizedLabels: [{ "@odata.type": `${CRM}.LocalizedLabel`, Label: text, LanguageCode: 1033 }],
});

const column = (kind, name, rest = {}) => ({
  "@odata.type": `${CRM}.${kind}AttributeMetadata`,
  SchemaName: name,
  DisplayName: label(name),
  RequiredLevel: { Value: "None" },
  ...rest,
});

async function fails(status, promise, { code, says } = {}) {
  const error = await promise.then(
    () => assert.fail(`expected status ${status}, and it succeeded`),
    (error) => error,
  );
  assert.equal(error.status, status, `${error.status}: ${error.message}`);
  if (code) assert.equal(error.code.toLowerCase(), code.toLowerCase());
  if (says) assert.match(error.message, new RegExp(says, "i"));
}

const byWeight = { collection: PARCELS, select: ["shr_name", "shr_weight"], orderBy: ["shr_weight"] };

const checks = {
  async "WhoAmI tells who the token is"() {
    const me = await admin.callFunction("WhoAmI");
    for (const id of [me.UserId, me.BusinessUnitId, me.OrganizationId]) assert.match(id, GUID);
    const her = await user.callFunction("WhoAmI");
    assert.equal(her.OrganizationId, me.OrganizationId);
    assert.notEqual(her.UserId, me.UserId);
  },

  async "a table is created, column by column, and tracked"() {
    await admin.createEntity({
      data: {
        "@odata.type": `${CRM}.EntityMetadata`,
        SchemaName: "shr_Parcel",
        DisplayName: label("Parcel"),
        DisplayCollectionName: label("Parcels"),
        OwnershipType: "UserOwned",
        HasActivities: false,
        HasNotes: false,
        IsActivity: false,
        ChangeTrackingEnabled: true,
        Attributes: [
          column("String", "shr_Name", {
            IsPrimaryName: true,
            FormatName: { Value: "Text" },
            MaxLength: 100,
          }),
        ],
      },
    });
    const [{ MetadataId: entityKey, EntitySetName }] = (
      await admin.retrieveEntities({
        select: ["LogicalName", "EntitySetName", "PrimaryIdAttribute"],
        filter: "LogicalName eq 'shr_parcel'",
      })
    ).value;
    assert.equal(EntitySetName, PARCELS);
    const add = (data) => admin.createAttribute({ entityKey, data });
    await add(column("String", "shr_Code", { MaxLength: 20, FormatName: { Value: "Text" } }));
    await add(column("Integer", "shr_Weight", { MinValue: 0, MaxValue: 1000, Format: "None" }));
    await add(column("Memo", "shr_Note", { MaxLength: 2000, Format: "TextArea" }));
    await add(column("DateTime", "shr_Posted", { Format: "DateAndTime" }));
    const option = (Value, text) => ({ Value, Label: label(text) });
    const OptionSet = {
      "@odata.type": `${CRM}.OptionSetMetadata`,
      IsGlobal: false,
      OptionSetType: "Picklist",
      Options: [option(1, "Small"), option(2, "Large")],
    };
    await add(column("Picklist", "shr_Size", { OptionSet }));
    await admin.create({
      collection: "EntityDefinitions",
      key: "LogicalName='shr_parcel'",
      navigationProperty: "Keys",
      data: {
        SchemaName: "shr_parcel_code",
        KeyAttributes: ["shr_code"],
        DisplayName: label("Code"),
      },
    });
  },

  async "metadata is read"() {
    const parcel = await admin.retrieveEntity({ key: "LogicalName='shr_parcel'" });
    assert.equal(parcel.PrimaryIdAttribute, "shr_parcelid");
    assert.equal(parcel.ChangeTrackingEnabled, true);
    const columns = await admin.retrieveAttributes({
      entityKey: "LogicalName='shr_parcel'",
      select: ["LogicalName", "AttributeType"],
    });
    assert.ok(columns.value.some((it) => it.LogicalName === "shr_weight"));
    const choices = await admin.retrieveAttributes({
      entityKey: "LogicalName='shr_parcel'",
      castType: `${CRM}.PicklistAttributeMetadata`,
      select: ["LogicalName"],
      expand: [{ property: "OptionSet", select: ["Options"] }],
    });
    assert.deepEqual(
      choices.value.map((it) => [it.LogicalName, it.OptionSet.Options.map((o) => o.Value)]),
      [["shr_size", [1, 2]]],
    );
    const csdl = await admin.retrieveCsdlMetadata();
    assert.match(csdl, /<EntityType[^>]*Name="shr_parcel"/);
    assert.match(csdl, /<EntitySet[^>]*Name="cr_shraga_tasks"/);
  },

  async "a row is created, by the server's id or by ours"() {
    const id = await admin.create({ collection: PARCELS, data: { shr_name: "First" } });
    assert.match(id, GUID);
    const shr_parcelid = randomUUID();
    const whole = await admin.create({
      collection: PARCELS,
      data: { shr_parcelid, shr_name: "Second", shr_size: 2, shr_posted: "2026-11-20T10:11:12Z" },
      returnRepresentation: true,
    });
    assert.equal(whole.shr_parcelid, shr_parcelid);
    assert.match(whole["@odata.etag"], /^W\/"\d+"$/);
    await fails(412, admin.create({ collection: PARCELS, data: { shr_parcelid } }), {
      code: "0x80040237",
    });
  },

  async "a row is read with annotations, and not again when nothing changed"() {
    const [{ shr_parcelid: key }] = (
      await admin.retrieveMultiple({ collection: PARCELS, filter: "shr_name eq 'SECOND'" })
    ).value;
    const row = await admin.retrieve({
      collection: PARCELS,
      key,
      select: ["shr_name", "shr_size", "shr_posted", "_ownerid_value"],
      includeAnnotations: "*",
    });
    assert.equal(row.shr_size_Formatted, "Large");
    assert.equal(row._ownerid_value_LogicalName, "systemuser");
    assert.equal(new Date(row.shr_posted).toISOString(), "2026-11-20T10:11:12.000Z");
    const ifnonematch = row["@odata.etag"];
    assert.equal(await admin.retrieve({ collection: PARCELS, key, ifnonematch }), undefined);
    await admin.update({ collection: PARCELS, key, data: { shr_weight: 5 } });
    const again = await admin.retrieve({ collection: PARCELS, key, ifnonematch });
    assert.equal(again.shr_weight, 5);
  },

  async "an update with a stale etag is refused, with the newest it is not"() {
    const key = await admin.create({ collection: PARCELS, data: { shr_name: "Contended" } });
    const { "@odata.etag": first } = await admin.retrieve({ collection: PARCELS, key });
    const update = (who, data, ifmatch) => who.update({ collection: PARCELS, key, data, ifmatch });
    assert.equal(await update(admin, { shr_weight: 1 }, first), true);
    assert.equal(await update(admin, { shr_weight: 2 }, first), false);
    await fails(412, update(strict, { shr_weight: 2 }, first), { code: "0x80060882" });
    const row = await admin.retrieve({ collection: PARCELS, key });
    assert.equal(row.shr_weight, 1);
    assert.equal(await admin.deleteRecord({ collection: PARCELS, key, ifmatch: first }), false);
    const ifmatch = row["@odata.etag"];
    assert.equal(await admin.deleteRecord({ collection: PARCELS, key, ifmatch }), true);
    await fails(404, admin.retrieve({ collection: PARCELS, key }), { code: "0x80040217" });
  },

  async "an upsert creates, updates, or does only the one that was asked for"() {
    const key = randomUUID();
    const upsert = (shr_weight, rest = {}) =>
      admin.upsert({ collection: PARCELS, key, data: { shr_weight }, ...rest });
    assert.equal(await upsert(1, { ifmatch: "*" }), null);
    assert.equal(await upsert(2), key);
    assert.equal(await upsert(3, { ifnonematch: "*" }), null);
    const row = await upsert(4, { returnRepresentation: true });
    assert.equal(row.shr_weight, 4);
    await admin.deleteRecord({ collection: PARCELS, key });
  },

  async "an upsert by alternate key finds its row again"() {
    const put = (shr_weight) =>
      admin.upsert({ collection: PARCELS, key: "shr_code='K-1'", data: { shr_weight } });
    await put(1);
    await put(2);
    const row = await admin.retrieve({ collection: PARCELS, key: "shr_code='K-1'" });
    assert.equal(row.shr_weight, 2);
    assert.equal(row.shr_code, "K-1");
    const twin = admin.create({ collection: PARCELS, data: { shr_code: "k-1" } });
    await fails(412, twin, { code: "0x80060892" });
    await admin.deleteRecord({ collection: PARCELS, key: "shr_code='K-1'" });
  },

  async "a single property is set and cleared"() {
    const key = await admin.create({ collection: PARCELS, data: { shr_name: "Single" } });
    const fieldValuePair = { shr_note: "only this" };
    await admin.updateSingleProperty({ collection: PARCELS, key, fieldValuePair });
    const note = async () => (await admin.retrieve({ collection: PARCELS, key })).shr_note;
    assert.equal(await note(), "only this");
    await admin.deleteRecord({ collection: PARCELS, key, property: "shr_note" });
    assert.equal(await note(), null);
    await admin.deleteRecord({ collection: PARCELS, key });
  },

  async "bulk messages create, update and upsert many"() {
    const type = { "@odata.type": `${CRM}.shr_parcel` };
    const bulk = (name, Targets) =>
      admin.callAction({ collection: PARCELS, actionName: `${CRM}.${name}`, action: { Targets } });
    const rows = [...Array(25).keys()].map((n) => ({
      ...type,
      shr_name: `Bulk ${n}`,
      shr_weight: 100 + n,
    }));
    const { Ids } = await bulk("CreateMultiple", rows);
    assert.equal(new Set(Ids).size, 25);
    await bulk(
      "UpdateMultiple",
      Ids.slice(0, 2).map((shr_parcelid) => ({ ...type, shr_parcelid, shr_code: shr_parcelid.slice(-12) })),
    );
    const { shr_code } = await admin.retrieve({ collection: PARCELS, key: Ids[1] });
    assert.equal(shr_code, Ids[1].slice(-12));
    await bulk("UpsertMultiple", [
      { ...type, "@odata.id": `${PARCELS}(shr_code='${shr_code}')`, shr_note: "found by key" },
      { ...type, "@odata.id": `${PARCELS}(shr_code='K-9')`, shr_note: "made by key" },
    ]);
    assert.equal((await admin.retrieve({ collection: PARCELS, key: Ids[1] })).shr_note, "found by key");
    const made = await admin.retrieve({ collection: PARCELS, key: "shr_code='K-9'" });
    assert.equal(made.shr_note, "made by key");
    const wrong = [{ ...type, shr_name: "rolled back" }, { ...type, shr_size: 9 }];
    await fails(400, bulk("CreateMultiple", wrong), { code: "0x8004431A" });
    const left = await admin.count({ collection: PARCELS, filter: "shr_name eq 'rolled back'" });
    assert.equal(left, 0);
  },

  async "lists are filtered, ordered, counted and paged to the end"() {
    const filter = "shr_weight ge 100 and startswith(shr_name,'bulk')";
    const request = { ...byWeight, filter, maxPageSize: 10, count: true };
    let page = await admin.retrieveMultiple(request);
    assert.equal(page.oDataCount, 25);
    const weights = [];
    for (;;) {
      weights.push(...page.value.map((it) => it.shr_weight));
      if (!page.oDataNextLink) break;
      page = await admin.retrieveMultiple(request, page.oDataNextLink);
    }
    assert.deepEqual(weights, [...Array(25).keys()].map((n) => 100 + n));
    assert.equal((await admin.retrieveAll(request)).value.length, 25);
    assert.equal(await admin.count({ collection: PARCELS, filter }), 25);
    const top = { ...byWeight, filter, orderBy: ["shr_weight desc", "shr_name"], top: 2 };
    const first = await admin.retrieveMultiple(top);
    assert.deepEqual(first.value.map((it) => it.shr_weight), [124, 123]);
    const names = async (filter) =>
      (await admin.retrieveMultiple({ ...byWeight, filter })).value.map((it) => it.shr_name);
    const func = `${CRM}.In(PropertyName='shr_weight',PropertyValues=['101','103'])`;
    assert.deepEqual(await names(func), ["Bulk 1", "Bulk 3"]);
    assert.deepEqual(await names("not (shr_weight lt 124 or shr_weight eq null)"), ["Bulk 24"]);
    const { UserId } = await admin.callFunction("WhoAmI");
    const owned = (id) => names(`shr_weight eq 107 and _ownerid_value eq ${id}`);
    assert.deepEqual(await owned(UserId), ["Bulk 7"]);
    assert.deepEqual(await owned(`'${UserId}'`), ["Bulk 7"]);
  },

  async "a batch runs in order, its change set refers to what it makes"() {
    admin.startBatch();
    admin.retrieveMultiple({ ...byWeight, top: 1 });
    admin.create({ collection: PARCELS, data: { shr_name: "Made" }, contentId: "1" });
    admin.update({ collection: "$1", data: { shr_weight: 77 }, contentId: "2" });
    admin.retrieveMultiple({ ...byWeight, filter: "shr_name eq 'Made'" });
    const [list, id, updated, after] = await admin.executeBatch();
    assert.equal(list.value.length, 1);
    assert.match(id, GUID);
    assert.equal(updated, true);
    assert.deepEqual(after.value.map((it) => it.shr_weight), [77]);
  },

  async "a failed change set leaves nothing behind, and the batch goes on when asked to"() {
    admin.startBatch();
    admin.create({ collection: PARCELS, data: { shr_name: "Half" }, contentId: "1" });
    admin.update({ collection: PARCELS, key: ABSENT, data: { shr_weight: 1 }, contentId: "2" });
    admin.retrieveMultiple({ ...byWeight, filter: "shr_name eq 'Half'" });
    const [refused, after] = await admin.executeBatch({ continueOnError: true });
    assert.equal(refused.status, 404);
    assert.deepEqual(after.value, []);
  },

  async "changes are tracked from one delta link to the next"() {
    const request = { collection: PARCELS, select: ["shr_name"], trackChanges: true };
    let page = await admin.retrieveMultiple(request);
    assert.ok(page.value.length >= 25);
    const kept = page.value[0].shr_parcelid;
    const gone = page.value[1].shr_parcelid;
    await admin.update({ collection: PARCELS, key: kept, data: { shr_name: "Changed" } });
    await admin.deleteRecord({ collection: PARCELS, key: gone });
    page = await admin.retrieveMultiple(request, page.oDataDeltaLink);
    assert.equal(page.value.length, 2);
    assert.equal(page.value[0].shr_name, "Changed");
    assert.match(page.value[1]["@odata.context"], /\$deletedEntity$/);
    assert.deepEqual([page.value[1].id, page.value[1].reason], [gone, "deleted"]);
    page = await admin.retrieveMultiple(request, page.oDataDeltaLink);
    assert.deepEqual(page.value, []);
    await fails(400, admin.retrieveMultiple({ ...request, filter: "shr_weight eq 1" }));
  },

  async "an admin files for somebody else, by impersonation or by naming the owner"() {
    const { UserId: her } = await user.callFunction("WhoAmI");
    const create = (who, data) => admin.create({ collection: TASKS, data, ...who });
    const hers = await create({ impersonate: her }, { cr_name: "For her", cr_status: 1 });
    const row = await user.retrieve({ collection: TASKS, key: hers });
    assert.equal(row._ownerid_value, her);
    const given = await create(
      {},
      { cr_name: "Given", cr_status: 1, "ownerid@odata.bind": `systemusers(${her})` },
    );
    assert.equal((await user.retrieve({ collection: TASKS, key: given })).cr_name, "Given");
    const { UserId: me } = await admin.callFunction("WhoAmI");
    await fails(403, user.retrieve({ collection: TASKS, key: hers, impersonate: me }));
  },

  async "rows of others are as if they did not exist"() {
    const his = await admin.create({ collection: TASKS, data: { cr_name: "His", cr_status: 1 } });
    const it = { collection: TASKS, key: his };
    await fails(404, user.retrieve(it), { code: "0x80040217" });
    await fails(404, user.update({ ...it, data: { cr_name: "Mine" } }), { code: "0x80040217" });
    await fails(404, user.deleteRecord(it), { code: "0x80040217" });
    const seen = await user.retrieveMultiple({ collection: TASKS, select: ["cr_name"] });
    assert.deepEqual(seen.value.map((row) => row.cr_name).sort(), ["For her", "Given"]);
  },

  async "what is wrong is refused with a code and the nearest name"() {
    const create = (data) => admin.create({ collection: PARCELS, data });
    await fails(400, create({ shr_nmae: "x" }), { says: "shr_name" });
    await fails(400, create({ shr_code: "x".repeat(21) }), { code: "0x80044331" });
    await fails(400, create({ shr_size: 3 }), { code: "0x8004431A" });
    await fails(400, create({ shr_weight: "heavy" }));
    const list = (rest) => admin.retrieveMultiple({ collection: PARCELS, ...rest });
    await fails(400, list({ filter: "shr_weigth eq 1" }), { says: "shr_weight" });
    await fails(400, list({ filter: "shr_weight eq" }));
    const apply = "aggregate(shr_weight with sum as all)";
    await fails(400, list({ apply }), { says: "\\$apply" });
    await fails(404, admin.retrieveMultiple({ collection: "shr_parcel" }), { says: PARCELS });
    await fails(401, client("nobody").callFunction("WhoAmI"));
  },
};

for (const [sentence, check] of Object.entries(checks)) {
  try {
    await check();
  } catch (error) {
    console.error(error);
    console.log(`javascript: FAILED: ${sentence}`);
    process.exit(1);
  }
  console.log(`javascript: ok: ${sentence}`);
}
const all = Object.keys(checks).length;
console.log(`javascript: ${all} of ${all} checks hold`);
process.exit(0);
