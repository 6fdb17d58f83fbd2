// The page of `t2ipal app`: sends photos one by one, then asks for the page of their predictions and shows it.
"use strict";
const limits = JSON.parse(document.getElementById("limits").textContent);
const at = id => document.getElementById(id);
let isBusy = false;

async function ask(method, path, body) {
  const answer = await fetch(path, {method, body, headers: {"X-T2ipal": "app"}});
  if (!answer.ok) throw new Error(await answer.text());
  return answer.status === 204 ? null : answer.json();
}

function problem(text) {
  const row = document.createElement("li");
  row.textContent = text;
  at("problems").append(row);
}

async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function recognise(files) {
  if (isBusy || !files.length) return;
  isBusy = true;
  at("problems").replaceChildren();
  at("page").hidden = at("table").hidden = true;
  try {
    const {name} = await ask("POST", "/batches");
    let sent = 0;
    for (const file of files) {
      at("status").textContent = `Sending ${sent + 1} of ${files.length} ...`;
      if (sent === limits.photos) {
        problem(`only the first ${limits.photos} photos are taken`);
        break;
      }
      if (file.size > limits.bytes) {
        problem(`${file.name}: more than ${limits.bytes / 1e6} MB`);
        continue;
      }
      if (!await isReadable(file)) {
        problem(`${file.name}: cannot be read (a folder?)`);
        continue;
      }
      await ask("PUT", `/batches/${name}/photos/${encodeURIComponent(file.name.toWellFormed?.() ?? file.name)}`, file);
      sent += 1;
    }
    at("status").textContent = "Looking at them ...";
    const found = await ask("POST", `/batches/${name}`);
    at("status").textContent = found.text;
    at("table").href = found.table;
    at("page").src = found.page;
    at("page").hidden = at("table").hidden = false;
  } catch (error) {
    at("status").textContent = "";
    problem(error instanceof TypeError ? "the command t2ipal app has ended" : error.message);
  } finally {
    isBusy = false;
    at("files").value = "";
  }
}

at("files").addEventListener("change", () => recognise([...at("files").files]));
at("drop").addEventListener("submit", event => event.preventDefault());
for (const type of ["dragenter", "dragover"]) addEventListener(type, event => {
  event.preventDefault();
  at("drop").classList.add("over");
});
addEventListener("dragleave", event => { if (!event.relatedTarget) at("drop").classList.remove("over"); });
addEventListener("drop", event => {
  event.preventDefault();
  at("drop").classList.remove("over");
  recognise([...event.dataTransfer.files]);
});
