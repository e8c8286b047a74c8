"use strict";
// Sends the response in the query or in the fragment of the address to the server, and shows the page that it returns.
// Amazon's page reads the fragment with a script too.
(async () => {
  const field = document.querySelector("#response input");
  const response = field.value || location.hash.slice(1);
  const answer = await fetch(location.pathname, {
    method: "POST",
    body: new URLSearchParams({ response }),
  });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!answer.ok) {
    document.querySelector("h1").textContent = page.title || answer.status;
    return;
  }
  if (field.value) {
    // a code works once: loading the page again must not send it again
    history.replaceState(null, "", location.pathname);
  }
  document.documentElement.lang = page.documentElement.lang;
  document.documentElement.dir = page.documentElement.dir;
  document.title = page.title;
  document.querySelector("main").replaceWith(page.querySelector("main"));
  document.querySelector("h1").focus();
  document.body.dataset.result = page.body.dataset.result;
})();
