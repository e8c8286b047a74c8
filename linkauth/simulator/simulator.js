"use strict";
// Amazon's page reads the fragment in the browser; so does this one, and asks the server for its verdict.
(async () => {
  const headline = document.getElementById("headline");
  const show = (id, text) => {
    const section = document.getElementById(id);
    section.querySelector("pre").textContent = text;
    section.hidden = false;
  };
  const fragment = location.hash.slice(1);
  const answer = await fetch(document.body.dataset.check, {
    method: "POST",
    body: new URLSearchParams({ fragment }),
  });
  if (!answer.ok) {
    headline.textContent = `The server answered ${answer.status}`;
    return;
  }
  const { received, verdict, introspection } = await answer.json();
  const list = document.querySelector("#verdict ul");
  for (const line of verdict) {
    const item = document.createElement("li");
    item.className = line.ok ? "ok" : "bad";
    item.textContent = `${line.ok ? "ok" : "wrong"}: ${line.what} (${line.detail})`;
    list.append(item);
  }
  document.getElementById("verdict").hidden = false;
  // the long state last
  const pairs = Object.entries(received).sort((one, other) => one[1].length - other[1].length);
  show("received", pairs.map(([name, value]) => `${name} = ${value}`).join("\n"));
  const linked = verdict.every((line) => line.ok) && introspection && introspection.active;
  if (introspection) {
    show("introspection", JSON.stringify(introspection, null, 2));
  }
  headline.textContent = linked ? `Linked: this is ${introspection.username}` : "Not linked";
  document.body.dataset.result = linked ? "linked" : "not-linked";
})();
