// The calls of grpc_web.js from a page of another origin, in Chromium: it asks before it calls
// (CORS), and reads streams with its own fetch. The page and its modules come from this folder.
//
//   node grpc_web_chromium.js http://127.0.0.1:50051 DESCRIPTOR_SET PAGE_ORIGIN
//
// TEST_MAILVET_BROWSER names the folder of packages with the one that drives Chromium.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [service, descriptors, origin] = process.argv.slice(2);
const require = createRequire(path.join(process.env.TEST_MAILVET_BROWSER, "package.json"));
const { chromium } = require("playwright-core");

// The modules that packages export by name, as a page finds them.
const imports = {};
for (const name of ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-web"]) {
  const folder = `node_modules/${name}`;
  const { exports } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  for (const [key, { import: file }] of Object.entries(exports)) {
    imports[path.posix.join(name, key)] = `/${path.posix.join(folder, file)}`;
  }
}
const page = `<!doctype html><title>A page</title>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">
import { calls } from "/grpc_web.js";
const descriptors = new Uint8Array(await (await fetch("/${descriptors}")).arrayBuffer());
calls(${JSON.stringify(service)}, descriptors).then(
  (lines) => { globalThis.lines = lines; },
  (error) => { globalThis.lines = [String(error)]; },
);
</script>`;

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    // The page has no address of its own: what comes from elsewhere asks before it reaches loopback.
    "--disable-features=LocalNetworkAccessChecks",
  ],
});
const tab = await browser.newPage();
await tab.route(`${origin}/**`, (route) => {
  const file = new URL(route.request().url()).pathname.slice(1);
  if (file === "") return route.fulfill({ contentType: "text/html", body: page });
  if (!existsSync(file)) return route.fulfill({ status: 404 });
  return route.fulfill({ path: file });
});
await tab.goto(`${origin}/`);
const lines = await tab.waitForFunction(() => globalThis.lines);
for (const line of await lines.jsonValue()) console.log(line);
await browser.close();
