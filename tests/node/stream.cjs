// Streams addresses through VerifyAddresses as fast as grpc-js sends them, and counts the answers.
//
//     node stream.cjs TARGET COUNT
//
// TARGET is ADDRESS:PORT, without TLS. Only the grammar is asked for. Messages are written by hand, so
// that nothing but the transport takes time.

"use strict";

const grpc = require("@grpc/grpc-js");

function request(row) {
  const text = (tag, value) => Buffer.concat([Buffer.from([tag, value.length]), Buffer.from(value)]);
  const options = Buffer.from([0x1a, 2, 0x08, 1]); // options { depth: DEPTH_SYNTAX }
  return Buffer.concat([text(0x0a, String(row)), text(0x12, `row${row}@acme.test`), options]);
}

const [target, count] = [process.argv[2], Number(process.argv[3])];
const client = new grpc.Client(target, grpc.credentials.createInsecure());
const same = (octets) => octets;
const path = "/mailvet.v1.VerificationService/VerifyAddresses";
const call = client.makeBidiStreamRequest(path, same, same, new grpc.Metadata());
let answers = 0;
call.on("data", () => (answers += 1));
call.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
call.on("end", () => {
  console.log(answers);
  client.close();
});
// All at once, without a look at how much has gone: what is too much stays with the client.
for (let row = 0; row < count; row += 1) call.write(request(row));
call.end();
