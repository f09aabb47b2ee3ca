// The import of products: the file is sent for a preview, and once more to be taken. Both answers come line by line.
(() => {
  "use strict";
  const form = document.querySelector("[data-import]");
  if (!form) return;
  const $ = (s) => document.querySelector(s);
  const doing = $("[data-doing]"), bar = $("#far"), rows = $("[data-rows]"), broken = $("[data-broken]"), result = $("[data-result]");
  const number = new Intl.NumberFormat(document.documentElement.lang);
  let link = "";

  const show = (m) => {
    result.innerHTML = m.html;
    URL.revokeObjectURL(link);
    const refused = result.querySelector("[data-refused]");
    if (refused) refused.href = link = URL.createObjectURL(new Blob([m.refused], { type: "text/csv" }));
    result.querySelector("h2").focus();
  };
  const send = async (fields) => {
    const file = form.elements.file.files[0];
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    body.append("encoding", form.elements.encoding.value);
    if (form.elements.allow_free.checked) body.append("allow_free", "1");
    body.append("map", form.elements.map.value);
    body.append("file", file);
    result.replaceChildren();
    broken.hidden = true;
    doing.hidden = false;
    bar.value = 0;
    rows.textContent = "";
    form.dataset.busy = "";
    let last;
    try {
      const answer = await fetch(form.action, { method: "POST", body });
      if (answer.redirected) return location.assign(answer.url); // to sign in again
      if (!answer.ok) throw new Error(answer.status);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = "", part; ;) {
        part = await reader.read();
        const lines = (text + (part.value || "")).split("\n");
        text = lines.pop();
        for (const line of lines) {
          last = JSON.parse(line);
          if (!last.bytes) continue;
          bar.value = (100 * last.bytes) / file.size;
          rows.textContent = rows.dataset.words.replace("{rows}", number.format(last.rows));
        }
        if (part.done) break;
      }
    } catch {
      last = null; // the shop, or the file, is away
    }
    doing.hidden = true;
    delete form.dataset.busy;
    if (last && last.html) show(last);
    else broken.hidden = false;
  };
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    if (!("busy" in form.dataset)) send({ do: "preview" });
  });
  result.addEventListener("submit", (e) => {
    e.preventDefault();
    if (!("busy" in form.dataset)) send({ do: "import", reason: e.target.elements.reason.value });
  });
  // What is shown is of the file and of how it was read: with another of them it is looked at again.
  form.addEventListener("change", () => { result.replaceChildren(); broken.hidden = true; });
})();
