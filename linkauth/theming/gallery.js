// Shows the pages that match the filters, and reloads them when a file of the theme changes.
"use strict";
const choices = JSON.parse(document.getElementById("choices").textContent);
const cards = document.getElementById("cards");
const filters = document.getElementById("filters");
const HEIGHTS = { 320: 568, 360: 740, 768: 900 };
const LIMIT = 300;

const states = (page) => [...new Set(Object.values(choices.themes).flatMap((theme) => theme.states)
  .filter(([name]) => page.includes(name)).map(([, state]) => state))];
const languages = Object.assign({}, ...Object.values(choices.themes).map((theme) => theme.languages));
const pages = [...new Set(Object.values(choices.themes).flatMap((theme) => theme.states).map(([page]) => page))];

// the filters: the values of each, and which are selected at first
const GROUPS = {
  theme: { values: () => Object.keys(choices.themes), first: Object.keys(choices.themes).slice(0, 1) },
  page: { values: () => pages, first: ["login"] },
  width: { values: () => choices.widths.map(String), first: ["360"], label: (width) => `${width} px` },
  scheme: { values: () => choices.schemes, first: choices.schemes },
  text: { values: () => choices.sizes.map(String), first: ["100"], label: (size) => `${size} %` },
  state: { values: () => states(chosen.page), first: ["fresh", "wrong_password"] },
  language: { values: () => Object.keys(languages), first: ["en"], label: (tag) => `${languages[tag]} (${tag})` },
};
const requested = new URLSearchParams(location.hash.slice(1));
const chosen = {};
for (const [name, group] of Object.entries(GROUPS)) {
  chosen[name] = requested.has(name) ? requested.get(name).split(",") : group.first;
}

const make = (tag, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};

const choice = (name, value, label) => {
  const input = make("input", { type: "checkbox", name, value, checked: chosen[name].includes(value) });
  return make("label", {}, input, make("span", {}, label));
};

const showFilters = () => {
  filters.replaceChildren(...Object.entries(GROUPS).flatMap(([name, group]) => {
    const values = group.values();
    if (values.length < 2) return [];
    const all = choice(name, "*", "all");
    all.firstChild.checked = values.every((value) => chosen[name].includes(value));
    const each = values.map((value) => choice(name, value, group.label ? group.label(value) : value));
    const set = make("fieldset", { className: values.length > 12 ? "many" : "" }, make("legend", {}, name), all, ...each);
    return [set];
  }));
};

const wanted = () => {
  const found = [];
  for (const theme of chosen.theme) {
    const has = choices.themes[theme];
    if (!has) continue;
    for (const [page, state] of has.states) {
      if (!chosen.page.includes(page) || !(chosen.state.includes(state) || states([page]).length < 2)) continue;
      for (const language of chosen.language.filter((tag) => tag in has.languages)) {
        for (const width of chosen.width) for (const scheme of chosen.scheme) for (const text of chosen.text) {
          found.push({ theme, page, state, language, width, scheme, text });
        }
      }
    }
  }
  return found;
};

// makes a frame as high as its page, if the browser allows to read the height
const fit = (frame) => {
  frame.height = HEIGHTS[frame.width];
  try {
    frame.height = Math.max(HEIGHTS[frame.width] || 0, frame.contentDocument.documentElement.scrollHeight);
  } catch {
    // pages opened as files may not read each other
  }
};

const card = ({ theme, page, state, language, width, scheme, text }) => {
  const src = `pages/${theme}/${language}/${page}.${state}.${scheme}-${text}.html`;
  const title = `${page}: ${state}`;
  const frame = make("iframe", { loading: "lazy", width, height: HEIGHTS[width], title: `${title}, ${language}, ${scheme}` });
  frame.addEventListener("load", () => fit(frame));
  frame.src = src;
  const details = [chosen.theme.length > 1 ? theme : "", language, `${width} px`, scheme, text === "100" ? "" : `${text} %`];
  const caption = make("figcaption", {}, make("a", { href: src }, title), make("span", {}, details.filter(Boolean).join(" · ")));
  return make("figure", {}, caption, frame);
};

const show = () => {
  const found = wanted();
  cards.replaceChildren(...found.slice(0, LIMIT).map(card));
  const count = document.getElementById("count");
  count.textContent = found.length > LIMIT ? `the first ${LIMIT} of ${found.length} pages` : `${found.length} page${found.length === 1 ? "" : "s"}`;
  const hash = new URLSearchParams(Object.entries(chosen).map(([name, values]) => [name, values.join(",")]));
  history.replaceState(null, "", `#${hash}`);
};

filters.addEventListener("change", ({ target }) => {
  const values = GROUPS[target.name].values();
  if (target.value === "*") {
    chosen[target.name] = target.checked ? values : [];
  } else {
    // in the order of the filter
    const now = new Set(chosen[target.name]);
    now[target.checked ? "add" : "delete"](target.value);
    chosen[target.name] = values.filter((value) => now.has(value));
  }
  const focused = [target.name, target.value];
  showFilters();
  filters.querySelector(`[name="${focused[0]}"][value="${CSS.escape(focused[1])}"]`)?.focus();
  show();
});
filters.addEventListener("submit", (event) => event.preventDefault());

const showProblem = (problem) => {
  const alert = document.getElementById("problem");
  alert.textContent = problem;
  alert.hidden = !problem;
};

const watch = async () => {
  try {
    const now = await (await fetch("version")).json();
    showProblem(now.problem);
    if (now.signature !== choices.signature) {
      location.reload();
    } else if (now.version !== choices.version) {
      choices.version = now.version;
      for (const frame of document.querySelectorAll("iframe")) frame.contentWindow.location.reload();
    }
  } catch {
    showProblem("The preview server does not respond. Is it still running?");
  }
  setTimeout(watch, 700);
};

showFilters();
show();
showProblem(choices.problem);
if (choices.live) watch();
