// gRPC-Web by a client of its own makers (Connect), with the protos' descriptors: the same calls
// from Node.js and from a page.

import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

// Calls the service at `baseUrl`, and returns what it answered, a line each.
export async function calls(baseUrl, descriptors) {
  const lines = [];
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
  const transport = createGrpcWebTransport({ baseUrl });
  const addresses = createClient(registry.getService("mailvet.v1.VerificationService"), transport);
  const batches = createClient(registry.getService("mailvet.v1.BatchService"), transport);

  const { verification } = await addresses.verifyAddress({ address: "nobody@acme.test" });
  lines.push(`address ${verification.evidence.code}`);
  try {
    await addresses.verifyAddress({ address: "" });
  } catch (error) {
    lines.push(`refused ${Code[ConnectError.from(error).code]}`);
  }
  const { batch } = await batches.createBatch({});
  const batchId = batch.batchId;
  await batches.appendBatchRows({ batchId, rows: [{ address: "jane.doe@acme.test" }] });
  await batches.sealBatch({ batchId, rows: 1n });
  let last;
  for await (const answer of batches.watchBatch({ batchId })) last = answer.batch;
  lines.push(`watched ${last.progress.finishedRows}`);
  for await (const page of batches.streamBatchResults({ batchId })) {
    for (const row of page.results) lines.push(`result ${row.verification.address}`);
  }
  return lines;
}
