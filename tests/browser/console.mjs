// A person at the console: uploads a list, starts it, reads the report, downloads the clean rows.
// Every page is looked through by axe-core in both themes and at three widths.
//
// In the environment: TEST_URL, TEST_MODULES (a node_modules folder), TEST_ROWS, TEST_FOLDER (for
// the list), TEST_RUNNING (the path of a list that is not done), TEST_BEHIND_KEYS (a service that asks
// for a key) and TEST_KEY; TEST_SHOTS (a folder) to keep a picture of every page.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const { TEST_URL: url, TEST_MODULES: modules, TEST_FOLDER: folder, TEST_SHOTS: shots } = process.env;
const rows = Number(process.env.TEST_ROWS);
const require = createRequire(path.join(modules, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const WIDTHS = [390, 820, 1280];
const THEMES = ["light", "dark"];

// Half of the addresses are there, and a few domains are no mail domains.
const list = path.join(folder, "people.csv");
const address = (row) =>
  row % 50 === 7 ? `row${row}@no-such-domain.test` : row % 2 ? `jane.doe+${row}@acme.test` : `user${row}@acme.test`;
const lines = Array.from({ length: rows }, (_, row) => `${row + 1},Person ${row + 1},${address(row)}\n`);
writeFileSync(list, `number,name,e-mail\n${lines.join("")}`);

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});
const troubles = [];

async function open(options) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.on("pageerror", (error) => troubles.push(`${page.url()}: ${error}`));
  page.on("console", (message) => {
    const isAnswer = message.text().includes("Failed to load resource");
    if (message.type() === "error" && !isAnswer) troubles.push(`${page.url()}: ${message.text()}`);
  });
  return page;
}

// Looks through the page that is there.
async function look(page, name, widths = WIDTHS, themes = THEMES) {
  for (const width of widths) {
    for (const theme of themes) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme: theme });
      const where = `${name} at ${width} px, ${theme}`;
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (beyond > 0) troubles.push(`${where}: ${beyond} px wider than the window`);
      await page.evaluate(axe);
      const found = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
      for (const violation of found.violations) {
        const nodes = violation.nodes.map((node) => `${node.html} ${node.failureSummary}`);
        troubles.push(`${where}: ${violation.id}: ${nodes.join("; ")}`);
      }
      if (shots) {
        const file = path.join(shots, `${name}-${width}-${theme}.png`);
        await page.screenshot({ path: file, fullPage: true });
      }
    }
  }
}

const page = await open();
let clicks = 0;
await page.goto(`${url}/`);
await look(page, "home");

// By keyboard: past what every page begins with.
await page.keyboard.press("Tab");
assert.equal(await page.evaluate(() => document.activeElement.className), "skip");

// A click opens the file chooser.
const chooser = page.waitForEvent("filechooser");
await page.locator("#file").click();
clicks += 1;
await (await chooser).setFiles(list);
await page.waitForURL("**/console/lists/*");
await page.getByRole("button", { name: "Start" }).waitFor();
await look(page, "found");
const heading = await page.getByRole("heading", { level: 1 }).textContent();
assert.equal(heading.trim(), "people.csv");

const begun = Date.now();
await page.getByRole("button", { name: "Start" }).click();
clicks += 1;
await page.waitForURL("**/console/batches/*");
const report = page.getByText("Pre-flight report");
if (!(await report.isVisible())) {
  const live = page.locator("[data-live] .percent");
  await live.or(report).first().waitFor();
}
await report.waitFor({ timeout: 600_000 });
const seconds = (Date.now() - begun) / 1000;
await look(page, "report");

const download = page.waitForEvent("download");
await page.getByRole("link", { name: "Clean list" }).click();
clicks += 1;
const file = await download;
assert.equal(file.suggestedFilename(), "people.clean.csv");
const clean = readFileSync(await file.path(), "utf8").trimEnd().split("\n").slice(1);
assert(clean.length > 0 && clean.every((line) => line.includes(",deliverable,send,")));
assert(clicks <= 3, `${clicks} clicks`);

// One address.
await page.getByRole("link", { name: "mailvet" }).click();
await page.getByLabel("E-mail address").fill("nobody@acme.test");
await page.keyboard.press("Enter");
await page.getByRole("heading", { name: "Undeliverable" }).waitFor();
await page.getByText("The conversation with the mail server").click();
await look(page, "address");

// What became of mail.
await page.getByRole("link", { name: "mailvet" }).click();
await page.getByRole("link", { name: "Outcomes and accuracy" }).click();
await page.getByRole("heading", { name: "By reason" }).waitFor();
await look(page, "outcomes");

// A list can be dropped anywhere.
await page.goto(`${url}/console/`);
const transfer = await page.evaluateHandle(() => {
  const data = new DataTransfer();
  data.items.add(new File(["email\njane.doe@acme.test\n"], "dropped.csv"));
  return data;
});
for (const type of ["dragenter", "dragover", "drop"]) {
  await page.locator("body").dispatchEvent(type, { dataTransfer: transfer });
}
await page.waitForURL("**/console/lists/*");
await page.getByRole("heading", { name: "dropped.csv" }).waitFor();

// A page that is come back to has no file, so that one that was refused is chosen again like any.
const wrong = path.join(folder, "wrong.txt");
writeFileSync(wrong, "just\nsome\nwords\n");
const found = page.url();
for (const [at, label] of [[`${url}/console/`, "Choose a list"], [found, "Suppression file"]]) {
  await page.goto(at);
  await page.getByLabel(label).setInputFiles(wrong);
  await page.getByRole("heading", { name: "That did not work" }).waitFor();
  await page.goBack();
  const field = page.getByLabel(label);
  await field.waitFor();
  await page.waitForFunction((input) => !input.files.length, await field.elementHandle());
}
await page.getByRole("button", { name: "Start" }).waitFor();

// Who is on a suppression file is left out: here everybody, until the file is taken away again.
const gone = path.join(folder, "gone.txt");
writeFileSync(gone, "jane.doe@acme.test\n");
// While the file is on its way, the list cannot be started without it.
await page.evaluate(() => {
  const start = document.querySelector("form.go button");
  addEventListener("submit", () => sessionStorage.setItem("is-held", start.disabled));
});
await page.getByLabel("Suppression file").setInputFiles(gone);
await page.getByText("Nobody is left to ask about").waitFor();
assert.equal(await page.evaluate(() => sessionStorage.getItem("is-held")), "true");
await look(page, "left-out");
await page.getByRole("button", { name: "Leave nobody out" }).click();
await page.getByRole("button", { name: "Start" }).waitFor();

// A list that is not done shows how far it is, by itself.
const events = page.waitForResponse((response) => response.url().endsWith("/live"));
await page.goto(`${url}${process.env.TEST_RUNNING}`);
await events;
await page.locator("[data-live]").getByText("rows have an answer").waitFor();
await look(page, "running");

// One whose progress is refused once (a restart, a proxy without a service) comes back by itself.
await page.route("**/live", (route) => route.fulfill({ status: 502 }), { times: 1 });
const again = page.waitForResponse(
  (response) => response.url().endsWith("/live") && response.status() === 200,
);
await page.goto(`${url}${process.env.TEST_RUNNING}`);
await again;
await page.locator("[data-live]").getByText("rows have an answer").waitFor();

// One whose progress broke off stays as it is: a proxy may end it every minute.
const broken = { contentType: "text/event-stream", body: ": \n\n" };
const looked = page.waitForResponse((response) => response.request().resourceType() === "fetch");
await page.route("**/live", (route) => route.fulfill(broken), { times: 1 });
await page.goto(`${url}${process.env.TEST_RUNNING}`);
await page.getByText("Stop it…").click();
await (await looked).finished();
await page.locator("[data-live]").getByText("rows have an answer").waitFor();
assert(await page.getByRole("button", { name: "Stop verifying this list" }).isVisible());

// Where the service was started again meanwhile it knows nothing of the forms on the page, which
// loads itself anew.
let isOld;
const old = new Promise((resolve) => (isOld = resolve));
let tries = 0;
const live = async (route) => {
  tries += 1;
  if (tries === 1) return route.fulfill(broken);
  await old;
  return route.continue();
};
await page.route("**/live", live, { times: 2 });
await page.goto(`${url}${process.env.TEST_RUNNING}`);
await page.locator("[name=token]").first().evaluate((input) => (input.value = "of before"));
const anew = page.waitForEvent("load");
isOld();
await anew;
await page.locator("[data-live]").getByText("rows have an answer").waitFor();

// What is not there is said in a page of its own.
await page.goto(`${url}/console/batches/none`);
await look(page, "trouble");

// Behind keys there is the sign-in page first; a wrong key is told so, a right one leads home.
const guest = await open();
await guest.goto(`${process.env.TEST_BEHIND_KEYS}/console/`);
await look(guest, "sign-in");
await guest.getByLabel("API key").fill("mv_wrong");
await guest.getByRole("button", { name: "Sign in" }).click();
await guest.getByRole("alert").waitFor();
await look(guest, "sign-in-refused");
await guest.getByLabel("API key").fill(process.env.TEST_KEY);
await guest.keyboard.press("Enter");
await guest.getByText("Drop your list here").waitFor();

// Without JavaScript everything but the drop and live progress is there.
const plain = await open({ javaScriptEnabled: false });
await plain.goto(`${url}/console/`);
await plain.locator("#file").setInputFiles(list);
await plain.getByRole("button", { name: "Upload" }).click();
await plain.getByRole("button", { name: "Start" }).waitFor();
await plain.getByLabel("Suppression file").setInputFiles(gone);
// A list is not started as if the file that was chosen were not there.
await plain.getByText("chosen and not read yet").waitFor();
await plain.getByRole("button", { name: "Start" }).waitFor({ state: "hidden" });
await plain.getByRole("button", { name: "Leave them out" }).click();
await plain.getByRole("button", { name: "Leave nobody out" }).waitFor();
await plain.getByText("chosen and not read yet").waitFor({ state: "hidden" });
await plain.getByRole("button", { name: "Start" }).click();
await plain.getByText("Pre-flight report").waitFor({ timeout: 600_000 });

await browser.close();
console.log(`${rows} rows: ${clicks} clicks, ${seconds.toFixed(1)} s from Start to the report`);
assert.deepEqual(troubles, []);
