// Shows the pages that the filters choose, and shows them again when a file of the theme has changed.
"use strict";
const offer = JSON.parse(document.getElementById("offer").textContent);
const cards = document.getElementById("cards");
const filters = document.getElementById("filters");
const HEIGHTS = { 320: 568, 360: 740, 768: 900 };
const LIMIT = 300;

const states = (page) => [...new Set(Object.values(offer.themes).flatMap((theme) => theme.states)
  .filter(([name]) => page.includes(name)).map(([, state]) => state))];
const languages = Object.assign({}, ...Object.values(offer.themes).map((theme) => theme.languages));
const pages = [...new Set(Object.values(offer.themes).flatMap((theme) => theme.states).map(([page]) => page))];

// the filters, what each offers, and what is chosen at first
const GROUPS = {
  theme: { offers: () => Object.keys(offer.themes), first: Object.keys(offer.themes).slice(0, 1) },
  page: { offers: () => pages, first: ["login"] },
  width: { offers: () => offer.widths.map(String), first: ["360"], word: (width) => `${width} px` },
  scheme: { offers: () => offer.schemes, first: offer.schemes },
  text: { offers: () => offer.sizes.map(String), first: ["100"], word: (size) => `${size} %` },
  state: { offers: () => states(chosen.page), first: ["fresh", "wrong_password"] },
  language: { offers: () => Object.keys(languages), first: ["en"], word: (tag) => `${languages[tag]} (${tag})` },
};
const asked = new URLSearchParams(location.hash.slice(1));
const chosen = {};
for (const [name, group] of Object.entries(GROUPS)) {
  chosen[name] = asked.has(name) ? asked.get(name).split(",") : group.first;
}

const make = (tag, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};

const choice = (name, value, word) => {
  const input = make("input", { type: "checkbox", name, value, checked: chosen[name].includes(value) });
  return make("label", {}, input, make("span", {}, word));
};

const showFilters = () => {
  filters.replaceChildren(...Object.entries(GROUPS).flatMap(([name, group]) => {
    const offers = group.offers();
    if (offers.length < 2) return [];
    const all = choice(name, "*", "all");
    all.firstChild.checked = offers.every((value) => chosen[name].includes(value));
    const each = offers.map((value) => choice(name, value, group.word ? group.word(value) : value));
    const set = make("fieldset", { className: offers.length > 12 ? "many" : "" }, make("legend", {}, name), all, ...each);
    return [set];
  }));
};

const wanted = () => {
  const found = [];
  for (const theme of chosen.theme) {
    const has = offer.themes[theme];
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

// as high as the page, where one may ask it
const fit = (frame) => {
  frame.height = HEIGHTS[frame.width];
  try {
    frame.height = Math.max(HEIGHTS[frame.width] || 0, frame.contentDocument.documentElement.scrollHeight);
  } catch {
    // a file may not ask another one
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
  const offers = GROUPS[target.name].offers();
  if (target.value === "*") {
    chosen[target.name] = target.checked ? offers : [];
  } else {
    // in the order in which they are offered
    const now = new Set(chosen[target.name]);
    now[target.checked ? "add" : "delete"](target.value);
    chosen[target.name] = offers.filter((value) => now.has(value));
  }
  const focused = [target.name, target.value];
  showFilters();
  filters.querySelector(`[name="${focused[0]}"][value="${CSS.escape(focused[1])}"]`)?.focus();
  show();
});
filters.addEventListener("submit", (event) => event.preventDefault());

const tell = (problem) => {
  const alert = document.getElementById("problem");
  alert.textContent = problem;
  alert.hidden = !problem;
};

const watch = async () => {
  try {
    const now = await (await fetch("stamp")).json();
    tell(now.problem);
    if (now.shape !== offer.shape) {
      location.reload();
    } else if (now.stamp !== offer.stamp) {
      offer.stamp = now.stamp;
      for (const frame of document.querySelectorAll("iframe")) frame.contentWindow.location.reload();
    }
  } catch {
    tell("The preview server does not answer. Is it still running?");
  }
  setTimeout(watch, 700);
};

showFilters();
show();
tell(offer.problem);
if (offer.live) watch();
