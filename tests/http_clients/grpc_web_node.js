//   node grpc_web_node.js http://127.0.0.1:50051 DESCRIPTOR_SET

import { readFileSync } from "node:fs";

import { calls } from "./grpc_web.js";

const [service, descriptors] = process.argv.slice(2);
for (const line of await calls(service, readFileSync(descriptors))) console.log(line);
