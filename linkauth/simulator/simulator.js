"use strict";
// Reads the fragment in the browser, as Amazon's page does, and sends it to the server for the checks.
(async () => {
  const headline = document.getElementById("headline");
  const show = (id, text) => {
    const section = document.getElementById(id);
    section.querySelector("pre").textContent = text;
    section.hidden = false;
  };
  const fragment = location.hash.slice(1);
  const response = await fetch(document.body.dataset.check, {
    method: "POST",
    body: new URLSearchParams({ fragment }),
  });
  if (!response.ok) {
    headline.textContent = `The server responded with status ${response.status}`;
    return;
  }
  const { received, checks, introspection } = await response.json();
  const list = document.querySelector("#checks ul");
  for (const check of checks) {
    const item = document.createElement("li");
    item.className = check.ok ? "ok" : "bad";
    item.textContent = `${check.ok ? "ok" : "failed"}: ${check.what} (${check.detail})`;
    list.append(item);
  }
  document.getElementById("checks").hidden = false;
  // sorted by length, so that the long state is last
  const pairs = Object.entries(received).sort((one, other) => one[1].length - other[1].length);
  show("received", pairs.map(([name, value]) => `${name} = ${value}`).join("\n"));
  const linked = checks.every((check) => check.ok) && introspection && introspection.active;
  if (introspection) {
    show("introspection", JSON.stringify(introspection, null, 2));
  }
  headline.textContent = linked ? `Linked as ${introspection.username}` : "Not linked";
  document.body.dataset.result = linked ? "linked" : "not-linked";
})();
