// Optional: language, caps lock warning, visible passwords, double clicks.
(() => {
const { languages } = document.currentScript.dataset, { search } = location;
// only if the URL has no ui_locales
if (languages && !new URLSearchParams(search).has("ui_locales")) {
  const fitting = (wanted) => {
    const found = languages.split(" ").filter((each) => each.split("-")[0] === wanted.split("-")[0]);
    // the server selects the region
    return found.includes(wanted) || found.length > 1 ? wanted : found[0];
  };
  const best = navigator.languages.map(fitting).find(Boolean);
  if (best && best !== document.documentElement.lang)
    location.replace((search ? search + "&" : "?") + "ui_locales=" + best);
}

const form = document.querySelector("form[method=post]");
if (!form) return;
const all = (what) => [...form.querySelectorAll(what)];

const eyes = all("[aria-controls]");
const show = (eye, shown) => {
  document.getElementById(eye.getAttribute("aria-controls")).type = shown ? "text" : "password";
  eye.setAttribute("aria-pressed", shown);
};
for (const eye of eyes) {
  eye.hidden = false;
  eye.onclick = () => show(eye, eye.getAttribute("aria-pressed") !== "true");
}

for (const hint of all("[data-capitals]")) {
  const field = document.getElementById(hint.dataset.of);
  field.onkeydown = field.onkeyup = field.onblur = (event) => {
    hint.textContent = event.getModifierState?.("CapsLock") ? hint.dataset.capitals : "";
  };
}

let sent;
const say = (button) => {
  sent = button;
  all("button").forEach((each) => each.setAttribute("aria-busy", !!sent));
  for (const each of all("[data-busy]")) {
    each.dataset.idle ??= each.textContent;
    each.textContent = sent?.dataset.busy ? each.dataset.busy : each.dataset.idle;
  }
};
form.onsubmit = (event) => {
  if (sent) return event.preventDefault();
  eyes.forEach((eye) => show(eye, false));
  say(event.submitter || form);
  // if the request fails
  setTimeout(say, 20000);
};
onpageshow = () => say();
})();
