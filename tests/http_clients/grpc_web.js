// gRPC-Web by a client of its own makers (Connect), with the protos' descriptors.
//
//   node grpc_web.js http://127.0.0.1:50051 DESCRIPTOR_SET

import { readFileSync } from "node:fs";

import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

const [baseUrl, file] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(file)));
const transport = createGrpcWebTransport({ baseUrl });
const addresses = createClient(registry.getService("mailvet.v1.VerificationService"), transport);
const batches = createClient(registry.getService("mailvet.v1.BatchService"), transport);

const { verification } = await addresses.verifyAddress({ address: "nobody@acme.test" });
console.log("address", verification.evidence.code);
try {
  await addresses.verifyAddress({ address: "" });
} catch (error) {
  console.log("refused", Code[ConnectError.from(error).code]);
}
const { batch } = await batches.createBatch({});
const batchId = batch.batchId;
await batches.appendBatchRows({ batchId, rows: [{ address: "jane.doe@acme.test" }] });
await batches.sealBatch({ batchId, rows: 1n });
let last;
for await (const answer of batches.watchBatch({ batchId })) last = answer.batch;
console.log("watched", String(last.progress.finishedRows));
for await (const page of batches.streamBatchResults({ batchId })) {
  for (const row of page.results) console.log("result", row.verification.address);
}
