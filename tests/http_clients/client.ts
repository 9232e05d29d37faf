// A client generated from docs/openapi.json: every kind of call, typed by the document.
//
//   node client.js http://127.0.0.1:50051

import createClient from "openapi-fetch";

import type { components, paths } from "./schema";

const client = createClient<paths>({ baseUrl: process.argv[2] });

function data<T>(answer: { data?: T; error?: components["schemas"]["Status"] }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const verified = data(
  await client.POST("/v1/addresses:verify", {
    params: { header: { "X-Server-Timeout": 30 } },
    body: { address: "nobody@acme.test", options: { depth: "DEPTH_MAILBOX", maxAge: "3600s" } },
  }),
);
const verdict: components["schemas"]["Verdict"] | undefined = verified.verification?.verdict;
console.log("address", verdict, verified.verification?.evidence?.code);

const domain = data(await client.POST("/v1/domains:verify", { body: { domain: "acme.test" } }));
console.log("domain", domain.report?.route);

const reply = data(await client.POST("/v1/replies:explain", { body: { reply: "452 4.2.2 full" } }));
console.log("reply", reply.meaning);

const refused = await client.POST("/v1/addresses:verify", { body: { address: "" } });
console.log("refused", refused.response.status, refused.error?.code);

const created = data(await client.POST("/v1/batches", { body: { spec: { displayName: "ts" } } }));
const path = { batch_id: created.batch?.batchId ?? "" };
const rows = [{ address: "jane.doe@acme.test", rowId: "1" }, { address: "nobody@acme.test" }];
await client.POST("/v1/batches/{batch_id}:append", { params: { path }, body: { rows } });
await client.POST("/v1/batches/{batch_id}:seal", { params: { path }, body: { rows: "2" } });
const watched = await client.GET("/v1/batches/{batch_id}:watch", {
  params: { path },
  parseAs: "text",
});
console.log("watched", String(watched.data).includes("event: end"));
const results = await client.GET("/v1/batches/{batch_id}/results", {
  params: { path, query: { order: "RESULT_ORDER_ROW", verdicts: ["VERDICT_DELIVERABLE"] } },
  parseAs: "text",
});
type Page = components["schemas"]["StreamBatchResultsResponse"];
for (const line of String(results.data).trim().split("\n")) {
  const page: Page = JSON.parse(line);
  for (const row of page.results ?? []) console.log("result", row.rowId, row.verification?.reason);
}
const batch = data(await client.GET("/v1/batches/{batch_id}", { params: { path } })).batch;
console.log("batch", batch?.state, batch?.progress?.finishedRows, batch?.preflight?.decision);
const list = data(await client.GET("/v1/batches", { params: { query: { pageSize: 5 } } }));
console.log("list", list.batches?.length);
await client.DELETE("/v1/batches/{batch_id}", { params: { path } });
const gone = await client.GET("/v1/batches/{batch_id}", { params: { path } });
console.log("gone", gone.response.status);
