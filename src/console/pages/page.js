// Adds to pages that work without it: dropping a list, sending a file that was chosen, and live
// progress.

const form = document.querySelector("[data-drop]");
if (form) {
  const file = form.querySelector("input[type=file]");
  const status = form.querySelector("[data-status]");
  const send = () => {
    if (!file.files.length) return;
    status.textContent = `Sending ${file.files[0].name} …`;
    form.classList.add("is-sending");
    form.requestSubmit();
  };
  form.classList.add("is-live");
  file.addEventListener("change", send);
  const isFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let inside = 0;
  const mark = () => document.body.classList.toggle("is-dragging", inside > 0);
  addEventListener("dragenter", (event) => {
    if (isFile(event)) inside += 1;
    mark();
  });
  addEventListener("dragleave", (event) => {
    if (isFile(event)) inside -= 1;
    mark();
  });
  addEventListener("dragover", (event) => {
    if (isFile(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    inside = 0;
    mark();
    if (event.dataTransfer.files.length !== 1) {
      status.textContent = "One list at a time, please.";
      return;
    }
    // The browser would show an error of its own in place of the page.
    if (event.dataTransfer.items?.[0]?.webkitGetAsEntry?.()?.isDirectory) {
      status.textContent = "That is a folder: open it, and drop the list in it.";
      return;
    }
    file.files = event.dataTransfer.files;
    send();
  });
  // A page that a browser comes back to is not sending any more. It may have the file still, and
  // whoever mended that file and chooses it again would have changed nothing: nothing is told then.
  addEventListener("pageshow", () => {
    file.value = "";
    form.classList.remove("is-sending");
    status.textContent = "";
  });
}

// A suppression file that was chosen and not sent would leave nobody out of a list that is started,
// and so would one that is on its way: a browser that sends a second form lets go of the first.
for (const sent of document.querySelectorAll("[data-send]")) {
  const file = sent.querySelector("input[type=file]");
  const allow = (isAllowed) => {
    for (const start of document.querySelectorAll("form.go button")) start.disabled = !isAllowed;
  };
  file.addEventListener("change", () => {
    if (file.files.length) sent.requestSubmit();
  });
  sent.addEventListener("submit", () => allow(false));
  addEventListener("pageshow", () => {
    file.value = "";
    allow(true);
  });
}

// Loads the page anew once the service answers. It may be away, and a proxy's page in its place
// would not come back.
const PAUSE = 5_000;
const comeBack = async (pause) => {
  const answer = await fetch(location.href, { method: "HEAD" }).catch(() => undefined);
  if (answer && answer.status < 500 && answer.status !== 429) location.reload();
  else setTimeout(comeBack, pause, Math.min(2 * pause, 60_000));
};

for (const place of document.querySelectorAll("[data-live]")) {
  const events = new EventSource(place.dataset.live);
  let wasAway = false;
  // A service that was started anew knows neither this page's session nor the token of its forms.
  // A proxy may end the stream every minute: then the page stays, with what is open on it.
  events.addEventListener("open", async () => {
    if (!wasAway) return;
    const token = document.querySelector("[name=token]")?.value ?? "";
    const answer = await fetch(location.href).catch(() => undefined);
    // In the place of this page one that refuses it would not come back.
    if (!answer?.ok) return;
    wasAway = false;
    const html = await answer.text().catch(() => token);
    if (!html.includes(token)) location.reload();
  });
  events.addEventListener("progress", (event) => {
    // The table may be scrolled, and have the focus: whoever reads it is not thrown out of it.
    const before = place.querySelector(".wide");
    const isFocused = before !== null && before === document.activeElement;
    const left = before?.scrollLeft ?? 0;
    place.innerHTML = event.data;
    const after = place.querySelector(".wide");
    if (!after) return;
    after.scrollLeft = left;
    if (isFocused) after.focus({ preventScroll: true });
  });
  events.addEventListener("end", () => {
    events.close();
    location.reload();
  });
  // The browser asks again by itself where a stream broke off, and never where it was refused.
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(comeBack, PAUSE, PAUSE);
    else wasAway = true;
  });
}
