// Vets addresses with mailvet from Node.js: one by one, as a stream, and as a batch.
//
//     npm ci
//     MAILVET_API_KEY=mailvet_... node vet.js --ca ca.pem vet.example.com:50051 ADDRESS...
//     node vet.js --plaintext 127.0.0.1:50051 ADDRESS...

"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { once } = require("node:events");
const { promisify, parseArgs } = require("node:util");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

// How many rows go in one page of a batch; the service takes 10,000.
const PAGE = 1000;

const { mailvet } = grpc.loadPackageDefinition(
  loader.loadSync(["mailvet/v1/verification_service.proto", "mailvet/v1/batch_service.proto"], {
    includeDirs: [path.join(__dirname, "../../proto")],
    keepCase: true,
    defaults: true,
    oneofs: true,
    enums: String,
    longs: Number,
  }),
);

function show(call, address, { verdict, reason }) {
  console.log(call, address, verdict.replace("VERDICT_", ""), reason.replace("REASON_", ""));
}

async function oneByOne(service, key, addresses) {
  const verify = promisify(service.VerifyAddress.bind(service));
  for (const address of addresses) {
    // With a deadline there is an answer in time: UNKNOWN, if nothing better is known by then.
    const deadline = Date.now() + 60_000;
    const { verification } = await verify({ address }, key, { deadline });
    show("one", address, verification);
  }
}

async function asAStream(service, key, addresses) {
  const stream = service.VerifyAddresses(key);
  const send = async () => {
    for (const [row, address] of addresses.entries()) {
      if (!stream.write({ correlation_id: String(row), address })) await once(stream, "drain");
    }
    stream.end();
  };
  const receive = async () => {
    // Answers come as they are found, in any order.
    for await (const answer of stream) {
      const address = addresses[Number(answer.correlation_id)];
      if (answer.outcome === "error") console.log("stream", address, "ERROR", answer.error.message);
      else show("stream", address, answer.verification);
    }
  };
  await Promise.all([send(), receive()]);
}

async function upload(service, key, addresses) {
  let call;
  const created = new Promise((resolve, reject) => {
    call = service.UploadBatch(key, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
  // With a request_id of your own, sending the same list again makes no second batch.
  call.write({ spec: { display_name: "an example" } });
  for (let start = 0; start < addresses.length; start += PAGE) {
    const page = addresses.slice(start, start + PAGE).map((address) => ({ address }));
    const hasRoom = call.write({ page: { addresses: page } });
    // A call that failed never drains, and says why.
    if (!hasRoom) await Promise.race([once(call, "drain"), created]);
  }
  // A list that breaks off on the way is no batch: the end says that this is all.
  call.write({ end: { rows: addresses.length } });
  call.end();
  return (await created).batch.batch_id;
}

async function asABatch(service, key, addresses) {
  const batch_id = await upload(service, key, addresses);
  // From here on the batch outlives this client, and the service.
  let cursor = "";
  for (let over = false; !over; ) {
    try {
      const ready = new grpc.Metadata({ waitForReady: true });
      ready.merge(key);
      for await (const page of service.StreamBatchResults({ batch_id, cursor }, ready)) {
        for (const { row, verification } of page.results) show("batch", addresses[row], verification);
        cursor = page.cursor;
      }
      over = true;
    } catch (error) {
      // The service restarts, or the network broke: the cursor says where to go on.
      if (error.code !== grpc.status.UNAVAILABLE) throw error;
    }
  }
  const { batch } = await promisify(service.GetBatch.bind(service))({ batch_id }, key);
  console.log("campaign", batch.preflight.decision);
  await promisify(service.DeleteBatch.bind(service))({ batch_id }, key);
}

async function main() {
  const { values: options, positionals } = parseArgs({
    options: { plaintext: { type: "boolean" }, ca: { type: "string" } },
    allowPositionals: true,
  });
  const [target, ...addresses] = positionals;
  const credentials = options.plaintext
    ? grpc.credentials.createInsecure()
    : grpc.credentials.createSsl(options.ca ? fs.readFileSync(options.ca) : null);
  const key = new grpc.Metadata();
  const apiKey = process.env.MAILVET_API_KEY;
  if (apiKey) key.set("authorization", `Bearer ${apiKey}`);

  const { VerificationService, BatchService } = mailvet.v1;
  const verification = new VerificationService(target, credentials);
  const batches = new BatchService(target, credentials);
  await oneByOne(verification, key, addresses);
  await asAStream(verification, key, addresses);
  await asABatch(batches, key, addresses);
  verification.close();
  batches.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
